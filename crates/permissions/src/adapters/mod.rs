//! What the ports of this crate stand for in the real world.

mod answer_file;

pub use answer_file::AnswerFile;
