//! What a policy means: documents, compiler, evaluator, explanation. Pure; knows no switch and no socket.
