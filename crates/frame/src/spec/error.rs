//! What is wrong with a frame's text, where, and what to write. Knows no grammar.

/// Why a text is no [`FrameSpec`](super::FrameSpec): the column, what is there, what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {problem}; {hint}")]
pub struct FrameSpecError {
    /// Where, in characters, from 1; one past the end where something is missing.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What to write.
    pub hint: String,
}
