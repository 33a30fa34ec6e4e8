#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the tests look at the real file")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mimir_shared_platform::OsFileSystem;

use super::*;

fn store(folder: &Path, project: &str) -> AnswerFile {
    AnswerFile::new(folder.join("own/permissions.json"), project, Arc::new(OsFileSystem))
}

fn rule(text: &str, allowed: bool) -> Answer {
    Answer { about: About::Rule(text.parse().unwrap()), allowed, given_ms: 7 }
}

#[tokio::test]
async fn keeps_answers_by_project() {
    let temp = tempfile::tempdir().unwrap();
    let (here, there) = (store(temp.path(), "/here"), store(temp.path(), "/there"));
    assert_eq!(here.load().await.unwrap(), []);
    let about = About::Exact { kind: "bash".to_owned(), command: "a && b".to_owned(), path: None };
    let exact = Answer { about, allowed: false, given_ms: 9 };
    here.add(&rule("bash(make *)", true)).await.unwrap();
    here.add(&exact).await.unwrap();
    there.add(&rule("bash(ls *)", true)).await.unwrap();
    assert_eq!(here.load().await.unwrap(), [rule("bash(make *)", true), exact.clone()]);
    // A later answer takes the place of an earlier one
    here.add(&rule("bash(make *)", false)).await.unwrap();
    assert_eq!(here.load().await.unwrap(), [exact, rule("bash(make *)", false)]);
    assert_eq!(there.load().await.unwrap(), [rule("bash(ls *)", true)]);
    let mode = fs::metadata(temp.path().join("own/permissions.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn what_it_can_t_understand_is_told_and_left_alone() {
    let check = async |text: &str, mode: u32, expected: &str| {
        let temp = tempfile::tempdir().unwrap();
        let own = store(temp.path(), "/here");
        fs::create_dir(temp.path().join("own")).unwrap();
        fs::write(&own.file, text).unwrap();
        fs::set_permissions(&own.file, fs::Permissions::from_mode(mode)).unwrap();
        let name = own.file.display().to_string();
        let shown = |error: AnswersError| error.to_string().replace(&name, "FILE");
        assert_eq!(shown(own.load().await.unwrap_err()), expected, "{text}");
        assert_eq!(shown(own.add(&rule("bash", true)).await.unwrap_err()), expected, "{text}");
        assert_eq!(fs::read_to_string(&own.file).unwrap(), text);
    };
    check("nonsense", 0o600, "FILE is no list of answers (line 1, column 2); correct or remove it").await;
    check("{\"format\":1,", 0o600, "FILE is no list of answers (line 1, column 12); correct or remove it").await;
    check("{\"format\":2}", 0o600, "FILE was written by a newer Mimir (format 2)").await;
    let no_rule = "{\"format\":1,\"projects\":{\"/x\":[{\"rule\":\"bsh(x)\",\"allowed\":true,\"givenMs\":1}]}}";
    check(no_rule, 0o600, "FILE is no list of answers; correct or remove it").await;
    check("{\"format\":1}", 0o644, "the answers that you gave before can't be read or kept").await;
}

#[tokio::test]
async fn many_at_once_lose_none() {
    let temp = tempfile::tempdir().unwrap();
    let own = Arc::new(store(temp.path(), "/here"));
    let adding = (0..20).map(|number| {
        let own = Arc::clone(&own);
        tokio::spawn(async move { own.add(&rule(&format!("bash(make {number})"), true)).await })
    });
    for task in adding.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(own.load().await.unwrap().len(), 20);
}
