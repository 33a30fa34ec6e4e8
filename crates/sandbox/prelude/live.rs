// The prelude without its copies of the built-ins, for tests alone: what those hold is seen by taking them away.

/// The same program, which looks up each built-in when it calls it, where plugins can have put another one.
pub(crate) fn looked_up(source: &str) -> String {
    source.lines().map(|line| live(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

fn live(line: &str) -> Option<String> {
    let (name, value) = line.strip_prefix("const ")?.strip_suffix(';')?.split_once(" = ")?;
    if let Some(method) = value.strip_prefix("uncurryThis(").and_then(|rest| rest.strip_suffix(')')) {
        let (_, key) = method.split_once(".prototype.")?;
        return Some(format!("const {name} = (self, ...args) => self.{key}(...args);"));
    }
    if let Some(getter) = value.strip_prefix("getterOf(").and_then(|rest| rest.strip_suffix("')")) {
        let (_, key) = getter.split_once(".prototype, '")?;
        return Some(format!("const {name} = (self) => self.{key};"));
    }
    let (home, key) = value.split_once('.')?;
    let is_function = ["Array", "ArrayBuffer", "Date", "JSON", "Math", "Object", "Reflect"].contains(&home)
        && key != "prototype"
        && key.chars().all(char::is_alphanumeric);
    is_function.then(|| format!("const {name} = (...args) => globalThis.{home}.{key}(...args);"))
}
