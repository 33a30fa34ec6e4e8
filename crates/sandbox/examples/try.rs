use mimir_sandbox::*;
use std::sync::Arc;
struct H;
#[async_trait::async_trait]
impl HostCalls for H {
    async fn call(&self, c: HostCall) -> Result<String, HostCallError> {
        Ok(c.args)
    }
    fn log(&self, l: LogLine) {
        println!("{l:?}")
    }
    fn failed(&self, p: &mimir_shared_config::PluginId, f: &CallFailure) {
        println!("{p} {f}")
    }
}
fn main() {
    initialize_v8();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let s = PluginSandbox::new(
            SandboxOptions { placement: Placement::InProcess, ..Default::default() },
            Arc::new(H),
            None,
        );
        let p = s.plugin(PluginImage {
            id: mimir_shared_config::PluginId::new("a").unwrap(),
            code: std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap().into(),
            context: "{}".into(),
            limits: Default::default(),
            wasm: false,
            group: "".into(),
        });
        for _ in 0..3 {
            println!(
                "{:?}",
                p.call(&Call {
                    kind: CallKind::Event,
                    name: "tool.execute.before".into(),
                    payload: r#"{"args":{"command":"ls"}}"#.into(),
                    origin: Default::default()
                })
                .await
            );
        }
    });
}
