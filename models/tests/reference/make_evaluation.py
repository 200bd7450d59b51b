"""Writes evaluation.json: scores with scikit-learn's measures and curves of them.

    pip install numpy scikit-learn
    python models/tests/reference/make_evaluation.py > models/tests/reference/evaluation.json
"""

import json

import numpy
import sklearn
from sklearn import metrics


def case(name, scores, positive, threshold):
    called = scores >= threshold
    false_rate, true_rate, _ = metrics.roc_curve(positive, scores, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    tn, fp, fn, tp = metrics.confusion_matrix(positive, called).ravel()
    return {
        "name": name,
        "scores": scores.tolist(),
        "positive": positive.tolist(),
        "threshold": threshold,
        "auroc": metrics.roc_auc_score(positive, scores),
        "average_precision": metrics.average_precision_score(positive, scores),
        "brier": metrics.brier_score_loss(positive, scores),
        "log_loss": metrics.log_loss(positive, scores),
        "accuracy": metrics.accuracy_score(positive, called),
        "balanced_accuracy": metrics.balanced_accuracy_score(positive, called),
        "precision": metrics.precision_score(positive, called),
        "sensitivity": metrics.recall_score(positive, called),
        "specificity": metrics.recall_score(positive, called, pos_label=False),
        "f1": metrics.f1_score(positive, called),
        "confusion": [int(tp), int(fp), int(tn), int(fn)],
        "roc": list(zip(false_rate.tolist(), true_rate.tolist())),
        # scikit-learn gives recall falling and ends with (0, 1)
        "precision_recall": list(zip(recall[::-1].tolist(), precision[::-1].tolist())),
    }


def main():
    generator = numpy.random.default_rng(20261125)
    cases = []
    for name, count, share, decimals, threshold in [
        ("plain", 80, 0.3, 6, 0.5),
        ("many ties", 90, 0.5, 1, 0.5),
        ("rare", 120, 0.05, 4, 0.35),
        ("extremes", 40, 0.6, 0, 1.0),
    ]:
        positive = generator.random(count) < share
        positive[:2] = [True, False]
        scores = numpy.clip(generator.normal(0.4 + 0.2 * positive, 0.2), 0, 1).round(decimals)
        cases.append(case(name, scores, positive, threshold))
    print(json.dumps({"scikit-learn": sklearn.__version__, "cases": cases}))


main()
