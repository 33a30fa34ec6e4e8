//! What must hold for anything that may lie in the audit log's folder; the check is that of the fuzz target.

#[path = "../../../../fuzz/properties/audit.rs"]
mod audit;
#[path = "../../../../fuzz/properties/drive.rs"]
mod drive;

#[test]
fn segments() {
    drive::drive("audit", audit::check);
}
