package cluster;

import static net.bytebuddy.matcher.ElementMatchers.named;
import static net.bytebuddy.matcher.ElementMatchers.takesArguments;

import java.lang.instrument.Instrumentation;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Collections;
import net.bytebuddy.agent.builder.AgentBuilder;
import net.bytebuddy.asm.Advice;
import net.bytebuddy.implementation.bytecode.assign.Assigner;
import org.apache.beam.vendor.grpc.v1p60p1.io.grpc.netty.NettyServerBuilder;

/** What Beam has no setting for, and a cluster on one machine needs. */
public final class ClusterAgent {
  public static void premain(String arguments, Instrumentation instrumentation) {
    new AgentBuilder.Default()
        .type(named("org.apache.beam.vendor.grpc.v1p60p1.io.grpc.netty.NettyServerBuilder"))
        .transform(
            (builder, type, loader, module, domain) ->
                builder.visit(
                    Advice.to(OnLoopback.class)
                        .on(named("forPort").and(takesArguments(int.class)))))
        .type(
            named(
                "org.apache.beam.sdk.util.construction.resources"
                    + ".ClasspathScanningResourcesDetector"))
        .transform(
            (builder, type, loader, module, domain) ->
                builder.visit(Advice.to(NothingStaged.class).on(named("detect"))))
        .installOn(instrumentation);
  }

  /**
   * Whatever host they are given, Beam's job server and the services that a TaskManager has for its
   * Python workers listen on all addresses, and take code from anybody. So `forPort` returns a
   * server on the loopback address. The signature must not load the class that is changed.
   */
  public static final class OnLoopback {
    @Advice.OnMethodExit
    public static void exit(
        @Advice.Argument(0) int port,
        @Advice.Return(readOnly = false, typing = Assigner.Typing.DYNAMIC) Object builder) {
      builder =
          NettyServerBuilder.forAddress(
              new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    }
  }

  /**
   * The job server would send its whole class path, 155 MB, with every job. Here TaskManagers have
   * the same one.
   */
  public static final class NothingStaged {
    @Advice.OnMethodExit
    public static void exit(
        @Advice.Return(readOnly = false, typing = Assigner.Typing.DYNAMIC) Object found) {
      found = Collections.emptyList();
    }
  }

  private ClusterAgent() {}
}
