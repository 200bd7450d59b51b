//! What is seen from outside: logs, metrics and traces. Nothing that identifies a patient passes here.
