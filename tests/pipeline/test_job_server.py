"""The job server that a run needs is looked for first, and missed by name when it goes."""

import socket

import pytest

import local_runner
from contract.errors import InputError
from contract.settings import BeamSettings
from pipeline import convert
from pipeline.job_server import arguments_of, check_job_servers, explained_job_servers


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def arguments_for(server):
    host, port = server.getsockname()
    return ["--runner=PortableRunner", f"--job_endpoint={host}:{port}"]


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def raise_within(arguments, error):
    with explained_job_servers(arguments):
        raise error


def test_a_server_that_answers_is_enough(server):
    check_job_servers([arguments_for(server)])


@pytest.mark.parametrize(
    "arguments",
    [BeamSettings().pipeline_args, [], ["--runner=PortableRunner", "--job_endpoint=embed"]],
)
def test_a_run_in_this_process_needs_none(arguments):
    check_job_servers([arguments])


@pytest.mark.parametrize("endpoint", ["nowhere", "127.0.0.1:", "127.0.0.1:99999", "[::1]:x"])
def test_an_address_that_is_none_is_refused(endpoint):
    with pytest.raises(InputError, match=r"--job_endpoint in beam\.pipeline_args"):
        check_job_servers([[f"--job_endpoint={endpoint}"]])


def test_a_port_is_not_reduced_to_one_that_answers(server):
    port = server.getsockname()[1] + 65536
    with pytest.raises(InputError, match=f"expected a port from 1 to 65535, got {port}"):
        check_job_servers([[f"--job_endpoint=127.0.0.1:{port}"]])


def test_the_server_of_a_single_node_is_looked_for_too(server, closed_port):
    beam = BeamSettings(
        pipeline_args=tuple(arguments_for(server)),
        node_pipeline_args={"Transform": (f"--job_endpoint=127.0.0.1:{closed_port}",)},
    )
    check_job_servers(arguments_of(BeamSettings(pipeline_args=beam.pipeline_args)))
    with pytest.raises(InputError, match=f"job server at 127.0.0.1:{closed_port}"):
        check_job_servers(arguments_of(beam))


def test_an_error_is_explained_where_the_server_has_gone(server):
    arguments = [arguments_for(server)]
    with pytest.raises(RuntimeError, match="a mistake"):
        raise_within(arguments, RuntimeError("a mistake"))
    server.close()
    with pytest.raises(InputError, match="goes on with the same command") as caught:
        raise_within(arguments, RuntimeError("Socket closed"))
    assert isinstance(caught.value.__cause__, OSError)


def test_what_the_data_caused_stays_what_it_is(closed_port):
    with pytest.raises(InputError, match="unreadable images"):
        raise_within(
            [[f"--job_endpoint=127.0.0.1:{closed_port}"]], InputError("few unreadable images")
        )


@pytest.mark.parametrize(
    ("main", "cannot"), [(local_runner.main, "Cannot run: "), (convert.main, "Cannot convert: ")]
)
@pytest.mark.slow
def test_no_command_starts_work_without_its_server(main, cannot, tmp_path, capsys, closed_port):
    endpoint = f"127.0.0.1:{closed_port}"
    overrides = ["--set", f"beam.pipeline_args=['--job_endpoint={endpoint}']"]
    assert main(["--output", str(tmp_path / "out"), *overrides]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert error.startswith(f"{cannot}expected Beam's job server at {endpoint} ")
    assert list(tmp_path.rglob("*.png")) == []  # nothing was drawn
