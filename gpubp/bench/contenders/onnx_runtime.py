"""ONNX Runtime, which predicts and does not train."""

import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from .base import Contender, UnableError


class OnnxRuntime(Contender):
    """A session on the CPU, over a Gemm and a Relu a layer and a Softmax at the end."""

    packages = ("onnxruntime", "onnx")
    note = "InferenceSession"

    def __init__(self, case, problem):
        super().__init__(case, problem)
        if case.batch_norm:
            raise UnableError("the model that is written for it has no batch normalisation")
        options = onnxruntime.SessionOptions()
        self.session = onnxruntime.InferenceSession(
            self._model().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _model(self):
        number = TensorProto.DOUBLE if self.case.dtype == "float64" else TensorProto.FLOAT
        weights = [numpy_helper.from_array(w, f"w{k}") for k, w in enumerate(self.problem.weights)]
        nodes, name = [], "x"
        for k in range(len(self.case.layers)):
            nodes.append(helper.make_node("Gemm", [name, f"w{2 * k}", f"w{2 * k + 1}"], [f"z{k}"]))
            nodes.append(helper.make_node("Relu", [f"z{k}"], [name := f"a{k}"]))
        last = "Identity" if self.case.regression else "Softmax"
        nodes[-1] = helper.make_node(last, nodes[-1].input, ["out"])
        ends = [
            helper.make_tensor_value_info(end, number, [None, width])
            for end, width in (("x", self.case.widths[0]), ("out", self.case.widths[-1]))
        ]
        graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    def reset(self):
        """There is nothing to go back to."""

    def epoch(self):
        raise UnableError("ONNX Runtime's package for inference does not train")

    def predict(self, x):
        return self.session.run(None, {"x": x})[0]
