"""Reference values for `fusion::evaluation`, by scikit-learn and numpy. Writes evaluation.json beside itself.

Run: python3 evaluation.py   (scikit-learn 1.9, numpy 2.4)
"""
import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

random = np.random.default_rng(7)


def delong(scores, labels):
    """AUROC and standard error after DeLong 1988, by the definition over all pairs."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    psi = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    variance = v10.var(ddof=1) / len(positive) + v01.var(ddof=1) / len(negative)
    return psi.mean(), float(np.sqrt(variance))


def calibration(probabilities, labels):
    """Slope by an unpenalised logistic regression; intercept with the logit as offset, by bisection."""
    logits = np.log(probabilities / (1 - probabilities))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10000).fit(logits[:, None], labels)
    low, high = -20.0, 20.0
    for _ in range(200):
        middle = (low + high) / 2
        if (1 / (1 + np.exp(-(logits + middle)))).sum() < labels.sum():
            low = middle
        else:
            high = middle
    return float(model.coef_[0, 0]), low


cases = []
for count, ties in [(40, False), (150, True), (25, True)]:
    labels = (random.random(count) < 0.4).astype(int)
    logits = random.normal(size=count) * 1.3 + 1.1 * labels - 0.8
    if ties:
        logits = np.round(logits, 1)
    probabilities = 1 / (1 + np.exp(-logits))
    area, error = delong(probabilities, labels)
    slope, intercept = calibration(probabilities, labels)
    cases.append({
        "probabilities": probabilities.tolist(),
        "labels": [bool(label) for label in labels],
        "auroc": float(roc_auc_score(labels, probabilities)),
        "delong_error": error,
        "brier": float(brier_score_loss(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
        "slope": slope,
        "intercept": intercept,
    })
    assert abs(area - cases[-1]["auroc"]) < 1e-12

features = random.normal(size=(60, 4))
labels = (random.random(60) < 1 / (1 + np.exp(-(features @ [1.0, -0.7, 0.2, 0.0] - 0.3)))).astype(int)
weights = random.integers(1, 4, size=60).astype(float)
centre = np.average(features, axis=0, weights=weights)
scale = np.sqrt(np.average((features - centre) ** 2, axis=0, weights=weights))
standardised = (features - centre) / scale
model = LogisticRegression(C=1 / 3.0, tol=1e-12, max_iter=10000).fit(standardised, labels, sample_weight=weights)
ridge = {
    "features": features.tolist(),
    "labels": [float(label) for label in labels],
    "weights": weights.tolist(),
    "lambda": 3.0,
    "coefficients": model.coef_[0].tolist(),
    "intercept": float(model.intercept_[0]),
}
path = pathlib.Path(__file__).with_name("evaluation.json")
path.write_text(json.dumps({"cases": cases, "ridge": ridge}, indent=1) + "\n")
