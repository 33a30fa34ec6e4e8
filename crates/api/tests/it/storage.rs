use std::fs;
use std::os::unix::fs::PermissionsExt;

use mimir_api::ApiLimits;
use serde_json::{Value, json};

use crate::harness::{Options, profile, world, world_with};

#[tokio::test]
async fn keeps_values_by_plugin() {
    let world = world();
    world.check("storage.get", json!({"key": "a"}), Ok(Value::Null)).await;
    world.check("storage.keys", json!({}), Ok(json!([]))).await;
    world.check("storage.set", json!({"key": "a", "value": {"n": [1, "ü"]}}), Ok(Value::Null)).await;
    world.check("storage.set", json!({"key": "b", "value": null}), Ok(Value::Null)).await;
    world.check("storage.get", json!({"key": "a"}), Ok(json!({"n": [1, "ü"]}))).await;
    world.check("storage.keys", json!({}), Ok(json!(["a", "b"]))).await;
    world.check("storage.delete", json!({"key": "a"}), Ok(Value::Null)).await;
    world.check("storage.delete", json!({"key": "a"}), Ok(Value::Null)).await;
    world.check("storage.keys", json!({}), Ok(json!(["b"]))).await;

    // The same name from another place, and another name from the same place
    for other in [profile("p", "/elsewhere/p"), profile("q", "/plugins/p")] {
        assert_eq!(world.call_as(&other, "storage.keys", json!({})).await.unwrap(), json!([]));
        world.call_as(&other, "storage.set", json!({"key": "mine", "value": 1})).await.unwrap();
    }
    world.check("storage.keys", json!({}), Ok(json!(["b"]))).await;

    let folder = world.temp.path().join("home/storage");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);

    world.context.forget_storage(&profile("p", "/plugins/p").identity).unwrap();
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    world.check("storage.keys", json!({}), Ok(json!([]))).await;
}

#[tokio::test]
async fn is_small_and_its_keys_are_plain() {
    let limits = ApiLimits { storage: 100, ..ApiLimits::default() };
    let world = world_with(Options { limits, ..Options::default() });
    world.check("storage.set", json!({"key": "a", "value": "x".repeat(60)}), Ok(Value::Null)).await;
    world.check("storage.set", json!({"key": "b", "value": "x".repeat(60)}), Err(("LIMIT", "100 are allowed"))).await;
    world.check("storage.keys", json!({}), Ok(json!(["a"]))).await;
    for key in ["", "a\nb", &"x".repeat(257)] {
        world.check("storage.set", json!({"key": key, "value": 1}), Err(("INVALID_ARGUMENT", "a key has"))).await;
        world.check("storage.get", json!({"key": key}), Err(("INVALID_ARGUMENT", "a key has"))).await;
    }
    world.check("storage.get", json!({"key": "../../x"}), Ok(Value::Null)).await;
    world.check("storage.clear", json!({}), Ok(Value::Null)).await;
    world.check("storage.keys", json!({}), Ok(json!([]))).await;
}

#[tokio::test]
async fn calls_at_once_all_count() {
    let world = std::sync::Arc::new(world());
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move { world.call("storage.set", json!({"key": format!("k{n}"), "value": n})).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.call("storage.keys", json!({})).await.unwrap().as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_damaged_store_is_reported_and_left_alone() {
    let world = world();
    world.check("storage.set", json!({"key": "a", "value": 1}), Ok(Value::Null)).await;
    let folder = fs::read_dir(world.temp.path().join("home/storage")).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "json"))
        .unwrap();
    fs::write(&file, "{").unwrap();
    world.check("storage.get", json!({"key": "a"}), Err(("IO", "damaged"))).await;
    world.check("storage.set", json!({"key": "a", "value": 2}), Err(("IO", "damaged"))).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "{");
}
