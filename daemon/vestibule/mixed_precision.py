"""Networks of Keras in 16 bits, on any of its backends."""

import keras

_IN_FLOAT32 = {"UnitNormalization", "LayerNormalization", "Normalization", "Rescaling", "Softmax"} | {
    f"Global{kind}Pooling2D" for kind in ("Average", "Max")
}
"""Layers that add up or divide: in float16 sums overflow, and the small number that keeps from dividing by 0 is 0."""


def in_mixed_precision(model: keras.Model) -> keras.Model:
    """Return a copy that computes in float16 but for sums over many numbers; weights stay as they are."""

    def policies(value: object) -> object:
        if isinstance(value, dict):
            if value.get("class_name") in _IN_FLOAT32:
                return value
            if value.get("class_name") == "DTypePolicy":
                return {**value, "config": {"name": "mixed_float16"}}
            return {key: policies(inner) for key, inner in value.items()}
        return [policies(inner) for inner in value] if isinstance(value, list) else value

    copy = keras.saving.deserialize_keras_object(policies(keras.saving.serialize_keras_object(model)))
    copy.set_weights(model.get_weights())
    return copy
