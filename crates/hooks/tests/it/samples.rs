//! A payload of each event as a recording has it, with fields that this version does not know.

use mimir_shared_config::EventName;

const SESSION: &str = r#"{"id":"s1","title":"Fix the ☂ parser","cwd":"/repo"}"#;
const AGENT: &str =
    r#"{"id":"a2","role":"reviewer","model":"claude-sonnet-5","parentId":"a1","task":"review","depth":1}"#;
const MESSAGE: &str =
    r#"{"id":"m1","role":"assistant","content":[{"type":"text","text":"hi"},{"type":"odd","x":1}],"z":0}"#;

/// The payload of `event`, one line of JSON.
pub(crate) fn sample(event: EventName) -> String {
    use EventName as E;
    let own = match event {
        E::ToolExecuteBefore => {
            r#""tool":"bash","args":{"command":"ls -la"},"callId":"c1","source":"builtin","agentId":"a1""#.to_owned()
        }
        E::ToolExecuteAfter => {
            r#""tool":"bash","args":{"command":"ls"},"callId":"c1","result":{"stdout":"ok"},"durationMs":12"#.to_owned()
        }
        E::PermissionAsk => {
            r#""type":"bash","command":"rm -rf build","path":"/repo/build","tool":"bash","risk":"high""#.to_owned()
        }
        E::PermissionReplied => {
            r#""request":{"type":"write","command":"write /repo/a","risk":"low","extra":1},"allowed":true,"by":"user","reason":"ok""#
                .to_owned()
        }
        E::SessionCreated | E::SessionResumed => format!(r#""session":{SESSION}"#),
        E::SessionCompacting => {
            r#""trigger":"auto","instructions":"be brief","messageCount":80,"tokens":150000"#.to_owned()
        }
        E::SessionCompacted => {
            r#""trigger":"manual","summary":"all done","tokensBefore":150000,"tokensAfter":9000"#.to_owned()
        }
        E::SessionIdle => format!(r#""reason":"completed","session":{SESSION}"#),
        E::SessionError => r#""error":{"message":"boom","name":"TimeoutError","retries":3}"#.to_owned(),
        E::MessageAdded | E::MessageUpdated | E::MessageRemoved => format!(r#""message":{MESSAGE}"#),
        E::ChatMessage => format!(r#""messages":[{MESSAGE}],"model":"claude-sonnet-5","agentId":"a1""#),
        E::AgentCreated | E::AgentStarted => format!(r#""agent":{AGENT}"#),
        E::AgentCompleted => format!(r#""agent":{AGENT},"result":{{"ok":true}}"#),
        E::AgentFailed => format!(r#""agent":{AGENT},"error":{{"message":"no"}}"#),
        E::FileModified | E::FileDeleted => r#""path":"src/größe.rs","tool":"write","bytes":120"#.to_owned(),
        E::CommandExecuted => r#""command":"plugin list","args":["--json"],"exitCode":0"#.to_owned(),
        E::SlashCommandExecuted => r#""name":"review","args":["src"],"success":true"#.to_owned(),
        E::CostUpdated => {
            r#""inputTokens":1200,"outputTokens":300,"cost":0.0125,"totalCost":1.5,"model":"claude-sonnet-5""#.to_owned()
        }
        E::BudgetExceeded => r#""limit":10.5,"totalCost":10.75"#.to_owned(),
    };
    format!(r#"{{"timestamp":1760000000000,"sessionId":"s1",{own},"later":{{"kept":[1,null]}}}}"#)
}
