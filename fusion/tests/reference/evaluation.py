"""Reference values for `fusion::evaluation`, by scikit-learn and numpy. Writes evaluation.json beside itself.

Run: python3 evaluation.py   (scikit-learn 1.9, numpy 2.4)
"""
import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression
from scipy.stats import norm
from sklearn.metrics import (average_precision_score, brier_score_loss, confusion_matrix, f1_score, log_loss,
                             precision_score, recall_score, roc_auc_score)

random = np.random.default_rng(7)


def components(scores, labels):
    positive, negative = scores[labels == 1], scores[labels == 0]
    psi = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    return psi, psi.mean(axis=1), psi.mean(axis=0)


def delong_paired(first, second, labels):
    """Difference, its standard error and p after DeLong 1988, by the covariance of the components."""
    psi1, v10a, v01a = components(first, labels)
    psi2, v10b, v01b = components(second, labels)
    s10, s01 = np.cov(v10a, v10b), np.cov(v01a, v01b)
    contrast = np.array([1.0, -1.0])
    variance = contrast @ (s10 / len(v10a) + s01 / len(v01a)) @ contrast
    difference, error = psi1.mean() - psi2.mean(), float(np.sqrt(variance))
    return {"difference": float(difference), "error": error, "p": float(2 * norm.sf(abs(difference) / error))}


def calibration_error(probabilities, labels, bins):
    order = np.argsort(probabilities, kind="stable")
    edges = [index * len(order) // bins for index in range(bins + 1)]
    parts = [order[low:high] for low, high in zip(edges, edges[1:])]
    return float(sum(len(part) * abs(probabilities[part].mean() - labels[part].mean()) for part in parts) / len(order))


def delong(scores, labels):
    """AUROC and standard error after DeLong 1988, by the definition over all pairs."""
    psi, v10, v01 = components(scores, labels)
    positive, negative = scores[labels == 1], scores[labels == 0]
    variance = v10.var(ddof=1) / len(positive) + v01.var(ddof=1) / len(negative)
    return psi.mean(), float(np.sqrt(variance))


def calibration(probabilities, labels):
    """Slope by an unpenalised logistic regression; intercept with the logit as offset, by bisection."""
    logits = np.log(probabilities / (1 - probabilities))
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-14, max_iter=10000).fit(logits[:, None], labels)
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
    other = 1 / (1 + np.exp(-(logits * 0.5 + random.normal(size=count))))
    called = (probabilities >= 0.35).astype(int)
    tn, fp, fn, tp = confusion_matrix(labels, called).ravel()
    cases.append({
        "probabilities": probabilities.tolist(),
        "labels": [bool(label) for label in labels],
        "auroc": float(roc_auc_score(labels, probabilities)),
        "delong_error": error,
        "brier": float(brier_score_loss(labels, probabilities)),
        "log_loss": float(log_loss(labels, probabilities)),
        "average_precision": float(average_precision_score(labels, probabilities)),
        "calibration_error": calibration_error(probabilities, labels, 15),
        "other": other.tolist(),
        "paired": delong_paired(probabilities, other, labels),
        "sensitivity": float(recall_score(labels, called)),
        "specificity": float(tn / (tn + fp)),
        "ppv": float(precision_score(labels, called)),
        "npv": float(tn / (tn + fn)),
        "f1": float(f1_score(labels, called)),
        "net_benefit": float(tp / count - fp / count * 0.35 / 0.65),
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
model = LogisticRegression(C=1 / 3.0, solver="newton-cholesky", tol=1e-14, max_iter=10000).fit(standardised, labels, sample_weight=weights)
ridge = {
    "features": features.tolist(),
    "labels": [float(label) for label in labels],
    "weights": weights.tolist(),
    "lambda": 3.0,
    "coefficients": model.coef_[0].tolist(),
    "intercept": float(model.intercept_[0]),
}
path = pathlib.Path(__file__).with_name("evaluation.json")
tails = [{"z": z, "p": float(norm.sf(z))} for z in [-2.0, 0.0, 0.3, 1.0, 1.96, 2.9999, 3.0001, 4.5, 8.0]]
path.write_text(json.dumps({"cases": cases, "ridge": ridge, "tails": tails}, indent=1) + "\n")
