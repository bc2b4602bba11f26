// Asks a SavedModel by the functions of TensorFlow's C++ library that TensorFlow Serving calls:
// LoadSavedModel (tensorflow_serving/servables/tensorflow/saved_model_bundle_factory.cc) and
// Session::Run (tensorflow_serving/servables/tensorflow/predict_util.cc).
//
//   ask_saved_model MODEL_DIR REQUESTS ANSWERS
//
// REQUESTS and ANSWERS are TFRecord files of NamedTensorProto. A request's name is
// "signature/input"; each of its outputs is one answer, named "number/output", with the number of the
// request from 0. Where TensorFlow refuses, it prints the error and ends with exit code 1.

#include <cstdint>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/lib/io/record_reader.h"
#include "tensorflow/core/lib/io/record_writer.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/protobuf/named_tensor.pb.h"
#include "tensorflow/core/public/session_options.h"

namespace {

absl::Status Ask(const tensorflow::SavedModelBundle& model,
                 const tensorflow::NamedTensorProto& request, int number,
                 tensorflow::io::RecordWriter* answers) {
  const auto slash = request.name().find('/');
  const std::string name = request.name().substr(0, slash);
  const auto signature = model.GetSignatures().find(name);
  if (signature == model.GetSignatures().end()) {
    return absl::NotFoundError("no signature " + name);
  }
  tensorflow::Tensor input;
  if (!input.FromProto(request.tensor())) {
    return absl::InvalidArgumentError("no tensor in the request");
  }
  const auto& inputs = signature->second.inputs();
  const std::string fed = inputs.at(request.name().substr(slash + 1)).name();
  std::vector<std::string> outputs, fetched;
  for (const auto& output : signature->second.outputs()) {
    outputs.push_back(output.first);
    fetched.push_back(output.second.name());
  }
  std::vector<tensorflow::Tensor> values;
  absl::Status status =
      model.GetSession()->Run({{fed, input}}, fetched, {}, &values);
  for (size_t index = 0; status.ok() && index < values.size(); ++index) {
    tensorflow::NamedTensorProto answer;
    answer.set_name(std::to_string(number) + "/" + outputs[index]);
    values[index].AsProtoField(answer.mutable_tensor());
    status = answers->WriteRecord(answer.SerializeAsString());
  }
  return status;
}

absl::Status AskAll(const std::string& model_dir,
                    const std::string& requests_path,
                    const std::string& answers_path) {
  tensorflow::SavedModelBundle model;
  absl::Status status = tensorflow::LoadSavedModel(
      tensorflow::SessionOptions(), tensorflow::RunOptions(), model_dir,
      {"serve"}, &model);
  if (!status.ok()) return status;
  auto* environment = tensorflow::Env::Default();
  std::unique_ptr<tensorflow::RandomAccessFile> requests_file;
  status = environment->NewRandomAccessFile(requests_path, &requests_file);
  if (!status.ok()) return status;
  std::unique_ptr<tensorflow::WritableFile> answers_file;
  status = environment->NewWritableFile(answers_path, &answers_file);
  if (!status.ok()) return status;
  tensorflow::io::RecordReader requests(requests_file.get());
  tensorflow::io::RecordWriter answers(answers_file.get());
  tensorflow::tstring record;
  uint64_t offset = 0;
  for (int number = 0; requests.ReadRecord(&offset, &record).ok(); ++number) {
    tensorflow::NamedTensorProto request;
    request.ParseFromString(std::string(record));
    status = Ask(model, request, number, &answers);
    if (!status.ok()) return status;
  }
  status = answers.Close();
  return status.ok() ? answers_file->Close() : status;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) {
    std::cerr << "usage: ask_saved_model MODEL_DIR REQUESTS ANSWERS\n";
    return 2;
  }
  const absl::Status status = AskAll(arguments[1], arguments[2], arguments[3]);
  if (!status.ok()) std::cerr << status.ToString() << "\n";
  return status.ok() ? 0 : 1;
}
