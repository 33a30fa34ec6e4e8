//! What must hold for anything that a handler may answer; the check is that of the fuzz target.

#[path = "../../../../fuzz/properties/answer.rs"]
mod answer;
#[path = "../../../../fuzz/properties/drive.rs"]
mod drive;

#[test]
fn answers() {
    drive::drive("answer", answer::check);
}
