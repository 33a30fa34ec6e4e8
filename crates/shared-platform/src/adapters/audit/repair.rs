//! What a process left that is gone without a word, and what is too old to be kept.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::SystemTime;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::heads::Heads;
use super::segment::{GAP, Scan, scan};
use super::{AuditFolder, names, open};
use crate::adapters::os_file_system::to_ms;
use crate::audit::{AnchorKind, Anchored, ChainHead, Note, Torn};
use crate::{AuditRecord, Clock};

/// Ends the segments whose owners are gone: cuts what is no whole line, and says so in the segment and in the anchors. A
/// segment that is not what was anchored is left as it is.
pub(super) fn repair(folder: &AuditFolder, heads: &mut Heads<'_>, clock: &dyn Clock) -> io::Result<()> {
    for (name, anchored) in heads.open_segments()? {
        let path = folder.segments.join(&name);
        let known = anchored.last().cloned().unwrap_or_else(ChainHead::empty);
        if !path.exists() {
            // Announced, and never made: its owner went in between. With lines it would be missing.
            let kind = if known.lines == 0 { AnchorKind::End } else { AnchorKind::Broken };
            heads.append(Note::new(kind, &name, &known))?;
            continue;
        }
        let file = open(&path, false)?;
        if file.try_lock().is_err() {
            // Its owner lives
            continue;
        }
        let found = scan(&file, &name, &anchored)?;
        if found.problem.is_some() {
            heads.append(Note::new(AnchorKind::Broken, &name, &known))?;
            continue;
        }
        end(&name, &file, found, &anchored, heads, clock)?;
    }
    Ok(())
}

fn end(
    name: &str,
    file: &File,
    found: Scan,
    anchored: &Anchored,
    heads: &mut Heads<'_>,
    clock: &dyn Clock,
) -> io::Result<()> {
    let Scan { mut head, bytes, is_torn, last_kind, .. } = found;
    // Said before it is done: whoever is killed in between leaves the next one to finish it, and what was torn is known
    let torn = match is_torn {
        true => {
            let torn = torn_after(file, bytes)?;
            heads.append(Note { torn: Some(torn.clone()), ..Note::new(AnchorKind::Repair, name, &head) })?;
            file.set_len(bytes)?;
            Some(torn)
        }
        false => anchored.torn.clone(),
    };
    if last_kind != GAP {
        let reason = "the process ended without closing its log: what it recorded last may be missing";
        let detail = json!({ "reason": reason, "torn": torn });
        let mut line = Vec::new();
        head.append(clock.now_ms(), &AuditRecord::of_mimir(GAP, detail), &mut line)?;
        if let Err(error) = (&*file).write_all(&line) {
            let _ = file.set_len(bytes);
            return Err(error);
        }
    }
    heads.append(Note { torn, ..Note::new(AnchorKind::End, name, &head) })?;
    Ok(())
}

/// What stands behind the whole lines.
fn torn_after(mut file: &File, bytes: u64) -> io::Result<Torn> {
    file.seek(SeekFrom::Start(bytes))?;
    let (mut hash, mut length, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(Torn { bytes: length, sha256 });
        }
        length += read as u64;
        hash.update(&buffer[..read]);
    }
}

/// Removes what is too old or too much, the oldest first. Never what is still written, and never what nobody anchored.
pub(super) fn retire(folder: &AuditFolder, heads: &mut Heads<'_>, clock: &dyn Clock) -> io::Result<()> {
    let mut files = Vec::new();
    let mut total = 0;
    for name in names(&folder.segments)? {
        let Ok(metadata) = fs::metadata(folder.segments.join(&name)) else { continue };
        let age_ms =
            clock.now_ms().saturating_sub(metadata.modified().map_or(u64::MAX, |time: SystemTime| to_ms(time)));
        total += metadata.len();
        files.push((name, metadata.len(), age_ms));
    }
    let is_over = |total: u64, age_ms: u64| total > folder.keep_bytes || age_ms > folder.keep_ms;
    if !files.iter().any(|(_, _, age_ms)| is_over(total, *age_ms)) {
        return Ok(());
    }
    let anchors = heads.read()?;
    for (name, bytes, age_ms) in files {
        if !is_over(total, age_ms) {
            continue;
        }
        let Some(anchored) = anchors.segments.get(&name).filter(|anchored| !anchored.is_open()) else { continue };
        if !anchored.is_removed {
            let head = anchored.last().cloned().unwrap_or_else(ChainHead::empty);
            heads.append(Note::new(AnchorKind::Removed, &name, &head))?;
        }
        fs::remove_file(folder.segments.join(&name))?;
        total -= bytes;
    }
    Ok(())
}
