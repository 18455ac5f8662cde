"""Scripts as users of Keras 3 write them run after `import gpubp as keras`, and learn what they are to learn."""

import numpy as np
import pytest

import gpubp as keras
from gpubp import layers, ops


@pytest.fixture(autouse=True)
def a_new_session():
    keras.backend.clear_session()
    keras.utils.set_random_seed(812)
    yield
    keras.config.set_floatx("float32")


def blobs(n=300, features=8, classes=3):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((classes, features)) * 3
    labels = rng.integers(0, classes, n)
    return (centres[labels] + rng.standard_normal((n, features))).astype("float32"), labels


def curve(n=400):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (n, 3)).astype("float32")
    return x * np.float32([1, 10, 100]) + 5, np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2]


def test_a_classifier_of_images():
    x, labels = blobs(features=16)
    x_train, y_train = x.reshape(-1, 4, 4), keras.utils.to_categorical(labels, 3)
    model = keras.models.Sequential(
        [
            keras.Input(shape=(4, 4)),
            layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_initializer=keras.initializers.HeNormal()),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.05),
        optimizer=keras.optimizers.Adam(learning_rate=1e-2),
        metrics=["accuracy", keras.metrics.TopKCategoricalAccuracy(k=2, name="top2")],
    )
    model.summary(print_fn=lambda text: None)
    history = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_split=0.1, verbose=0)
    assert set(history.history) == {"loss", "accuracy", "top2", "val_loss", "val_accuracy", "val_top2"}
    score = model.evaluate(x_train, y_train, verbose=0)
    assert score[1] > 0.95
    assert (model.predict(x_train, verbose=0).argmax(1) == labels).mean() == pytest.approx(score[1])


def test_wide_and_deep():
    x, y = curve()
    wide, deep = keras.Input(shape=(1,), name="wide"), keras.Input(shape=(3,), name="deep")
    normalizer = layers.Normalization(axis=-1)
    normalizer.adapt(x)
    h = layers.Dense(30, activation="relu")(normalizer(deep))
    h = layers.Dense(30, activation="relu", kernel_regularizer=keras.regularizers.l2(1e-4))(h)
    output = layers.Dense(1, name="output")(layers.concatenate([wide, h]))
    auxiliary = layers.Dense(1, name="auxiliary")(h)
    model = keras.Model(inputs=[wide, deep], outputs=[output, auxiliary])
    model.compile(
        loss={"output": "mse", "auxiliary": keras.losses.Huber()},
        loss_weights={"output": 0.9, "auxiliary": 0.1},
        optimizer=keras.optimizers.AdamW(1e-2, weight_decay=1e-4),
        metrics={"output": [keras.metrics.RootMeanSquaredError()]},
    )
    data = {"wide": x[:, :1], "deep": x}
    history = model.fit(data, {"output": y, "auxiliary": y}, epochs=60, verbose=0)
    assert history.history["output_root_mean_squared_error"][-1] < 0.25
    main, side = model.predict(data, verbose=0)
    assert main.shape == side.shape == (400, 1)


class Linear(layers.Layer):
    def __init__(self, units=32, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.w = self.add_weight(
            shape=(input_shape[-1], self.units),
            initializer="random_normal",
            regularizer=keras.regularizers.L2(1e-5),
            trainable=True,
            name="w",
        )
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True, name="b")

    def call(self, inputs, training=None):
        self.add_loss(1e-4 * ops.sum(ops.square(inputs)) / ops.cast(ops.shape(inputs)[0], "float32"))
        return ops.matmul(inputs, self.w) + self.b

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_a_custom_layer_and_a_custom_loss_saved_and_loaded(tmp_path):
    @keras.saving.register_keras_serializable(package="mine")
    def weighted_error(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.where(y_true == 0, ops.square(error), ops.abs(error) ** 1.5), axis=-1)

    x, labels = blobs()
    model = keras.Sequential([layers.Dense(16, "elu", input_shape=(8,)), Linear(3), layers.Activation("sigmoid")])
    model.compile(keras.optimizers.RMSprop(1e-2), loss=weighted_error, metrics=["mae"])
    losses = model.fit(x, np.eye(3)[labels], epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Linear": Linear})
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    with keras.utils.custom_object_scope({"Linear": Linear}):
        keras.saving.load_model(tmp_path / "model.keras")


def test_callbacks_and_schedules(tmp_path):
    x, labels = blobs()
    schedule = keras.optimizers.schedules.ExponentialDecay(0.05, decay_steps=50, decay_rate=0.9)
    seen = []
    model = keras.Sequential([layers.Input(shape=(8,)), layers.Dense(16, "relu"), layers.Dense(3)])
    model.compile(
        optimizer=keras.optimizers.SGD(schedule, momentum=0.9, nesterov=True, clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    model.fit(
        x,
        labels,
        epochs=100,
        validation_data=(x, labels),
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True, min_delta=1e-3),
            keras.callbacks.ModelCheckpoint(str(tmp_path / "best.keras"), save_best_only=True, monitor="val_acc"),
            keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["val_acc"])),
        ],
    )
    assert 3 < len(seen) < 100
    best = keras.models.load_model(tmp_path / "best.keras")
    assert best.evaluate(x, labels, verbose=0, return_dict=True)["acc"] == pytest.approx(max(seen))


def test_a_generator_and_a_discriminator_in_turn():
    generator = keras.Sequential([keras.Input((2,)), layers.Dense(16, "relu"), layers.Dense(1)], name="generator")
    discriminator = keras.Sequential(
        [keras.Input((1,)), layers.Dense(16), layers.LeakyReLU(negative_slope=0.2), layers.Dense(1, "sigmoid")],
        name="discriminator",
    )
    discriminator.compile(keras.optimizers.Adam(1e-2, beta_1=0.5), loss="binary_crossentropy", metrics=["accuracy"])
    noise = keras.Input((2,))
    gan = keras.Model(noise, discriminator(generator(noise)))
    gan.compile(keras.optimizers.Adam(1e-2, beta_1=0.5), loss="binary_crossentropy")
    rng = np.random.default_rng(0)
    ones, zeros = np.ones((64, 1)), np.zeros((64, 1))
    for _ in range(25):
        real, z = rng.normal(3, 0.5, (64, 1)).astype("float32"), rng.standard_normal((64, 2)).astype("float32")
        fake = generator.predict_on_batch(z)
        before = generator.get_weights()
        discriminator.trainable = True
        discriminator.train_on_batch(np.concatenate([real, fake]), np.concatenate([ones, zeros]))
        assert all(np.array_equal(a, b) for a, b in zip(before, generator.get_weights(), strict=True))
        before = discriminator.get_weights()
        discriminator.trainable = False
        gan.train_on_batch(z, ones)
        assert all(np.array_equal(a, b) for a, b in zip(before, discriminator.get_weights(), strict=True))
    assert (discriminator.iterations, gan.iterations, generator.iterations) == (25, 25, 0)
    assert generator.predict(rng.standard_normal((500, 2)), verbose=0).mean() > 1


def test_an_autoencoder_of_two_models():
    x, _ = blobs(features=8)
    encoder = keras.Sequential([keras.Input((8,)), layers.Dense(6, "tanh"), layers.Dense(2, name="code")], name="enc")
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6, "tanh"), layers.Dense(8)], name="dec")
    inputs = keras.Input(shape=(8,))
    autoencoder = keras.Model(inputs, decoder(encoder(inputs)), name="autoencoder")
    autoencoder.compile("adam", "mse")
    losses = autoencoder.fit(x, x, epochs=80, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    codes = encoder.predict(x, verbose=0)
    np.testing.assert_allclose(
        decoder.predict(codes, verbose=0), autoencoder.predict(x, verbose=0), rtol=1e-5, atol=1e-6
    )


def test_transfer_by_freezing_and_fine_tuning():
    x, labels = blobs()
    base = keras.Sequential([keras.Input((8,)), layers.Dense(16, "relu"), layers.BatchNormalization()], name="base")
    whole = keras.Sequential([base, layers.Dense(3, "softmax")])
    whole.compile("adam", "sparse_categorical_crossentropy")
    whole.fit(x, labels, epochs=5, verbose=0)
    base.trainable = False
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(1, "sigmoid")(base(inputs, training=False)))
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy()])
    kept = base.get_weights()
    model.fit(x, labels == 0, epochs=20, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(kept, base.get_weights(), strict=True))
    assert len(model.trainable_weights) == 2
    assert model.evaluate(x, labels == 0, verbose=0)[1] > 0.9
    base.trainable = True
    model.compile(keras.optimizers.Adam(1e-4), "binary_crossentropy")
    model.fit(x, labels == 0, verbose=0)
    assert not np.array_equal(kept[0], base.get_weights()[0])


def test_a_model_that_is_a_class_fed_by_a_dataset():
    x, labels = blobs()

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 10

        def __getitem__(self, index):
            rows = slice(30 * index, 30 * (index + 1))
            return x[rows], labels[rows]

    class MLP(keras.Model):
        def __init__(self, hidden):
            super().__init__()
            self.blocks = []
            for units in hidden:
                self.blocks.append(layers.Dense(units, activation="gelu"))
            self.drop = layers.Dropout(0.1)
            self.head = layers.Dense(3)

        def call(self, x, training=False):
            for block in self.blocks:
                x = x + block(x)
            return self.head(self.drop(x, training=training))

    model = MLP([8, 8])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(1e-2)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], steps_per_execution=4, jit_compile=True)
    history = model.fit(Batches(), epochs=10, validation_data=Batches(), verbose=0)
    assert history.history["val_accuracy"][-1] > 0.95
    assert len(model.trainable_variables) == 6


def test_regression_in_float64_and_a_policy():
    keras.config.set_floatx("float64")
    assert keras.backend.floatx() == "float64"
    x, y = curve()
    model = keras.Sequential([layers.Normalization(), layers.Dense(8, "tanh"), layers.Dense(1)])
    model.layers[0].adapt(x)
    model.compile("adam", "mse", metrics=["mae", keras.metrics.R2Score()])
    model.fit(x, y, verbose=0)
    assert model.predict(x, verbose=0).dtype == np.float64
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    dense = layers.Dense(2)
    assert (dense.compute_dtype, dense.variable_dtype, dense.dtype_policy.name) == (
        "bfloat16", "float32", "mixed_bfloat16"
    )  # fmt: skip
    assert isinstance(dense.dtype_policy, keras.dtype_policies.DTypePolicy)


class Sampling(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        mean, log_variance = inputs
        batch, dim = ops.shape(mean)
        epsilon = keras.random.normal(shape=(batch, dim), seed=self.seed_generator)
        self.add_loss(-0.005 * ops.mean(1 + log_variance - ops.square(mean) - ops.exp(log_variance)))
        return mean + ops.exp(0.5 * log_variance) * epsilon


def test_a_variational_autoencoder():
    x, _ = blobs(features=8)
    inputs = keras.Input((8,))
    h = layers.Dense(16, "relu")(inputs)
    mean, log_variance = layers.Dense(2, name="mean")(h), layers.Dense(2, name="log_variance")(h)
    code = Sampling()([mean, log_variance])
    encoder = keras.Model(inputs, [mean, log_variance, code])
    outputs = layers.Dense(8)(layers.Dense(16, "relu")(code))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    losses = model.fit(x, x, epochs=60, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 3
    mean, log_variance, code = (np.asarray(z) for z in encoder.predict(x, verbose=0))
    deviates = (code - mean) / np.exp(log_variance / 2)
    again = (encoder.predict(x, verbose=0)[2] - mean) / np.exp(log_variance / 2)
    assert abs(np.mean(deviates)) < 0.2
    assert 0.8 < np.std(deviates) < 1.2
    assert abs(np.corrcoef(deviates.ravel(), again.ravel())[0, 1]) < 0.2


def test_an_architecture_as_a_text_and_the_weights_beside_it(tmp_path):
    x, labels = blobs()
    inputs = keras.Input((8,), name="features")
    hidden = layers.Dense(12, "relu", kernel_regularizer="l2")(inputs)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.add([Linear(12)(inputs), hidden])))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, labels, epochs=3, verbose=0)
    (tmp_path / "model.json").write_text(model.to_json(indent=2))
    model.save_weights(tmp_path / "model.weights.safetensors")
    text = (tmp_path / "model.json").read_text()
    again = keras.models.model_from_json(text, custom_objects={"Linear": Linear})
    assert not np.array_equal(again.get_weights()[0], model.get_weights()[0])
    again.load_weights(tmp_path / "model.weights.safetensors")
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    built_by_data = keras.Sequential([layers.Dense(2)])
    built_by_data.predict(x, verbose=0)
    assert keras.models.model_from_json(built_by_data.to_json()).count_params() == 18
    with pytest.raises(ValueError, match=r"Linear.*custom_objects"):
        keras.models.model_from_json(text)
    for wrong in ("", "[]", '{"class_name": "Dense", "config": {"units": 1}, "input_shapes": null}'):
        with pytest.raises(ValueError, match=r"Expecting value|'class_name'|no model"):
            keras.models.model_from_json(wrong)


def test_a_clone_begins_anew_and_can_take_the_weights():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(1)])
    clone = keras.models.clone_model(model)
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.set_weights(model.get_weights())
    x = np.ones((2, 4), "float32")
    assert np.array_equal(clone.predict(x, verbose=0), model.predict(x, verbose=0))
    assert callable(keras.datasets.mnist.load_data)
    assert keras.ops.nn.one_hot is keras.ops.numpy.one_hot is keras.ops.one_hot
    assert keras.__version__
