// A tiny test harness. A test file calls `test(name, body)`, where the body makes its claims by `check`, `throws` and
// `rejects`; the runner evaluates this file and then the test file, and waits for `runTests()`, which gives
// `{passed, failures: [text]}` of claims.
(() => {
  const tests = [];
  let current;

  function show(value) {
    if (typeof value === 'bigint') return `${value}n`;
    if (typeof value === 'string' || (typeof value === 'object' && value !== null && !(value instanceof Error))) {
      if (value instanceof Map) return `Map ${show([...value])}`;
      if (value instanceof Set) return `Set ${show([...value])}`;
      if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return `${value.constructor.name} [${value}]`;
      if (value instanceof ArrayBuffer) return `ArrayBuffer [${new Uint8Array(value)}]`;
      return JSON.stringify(value, (key, inner) => (
        inner === undefined ? '«undefined»' : typeof inner === 'bigint' ? `«${inner}n»` : inner
      ));
    }
    return Object.is(value, -0) ? '-0' : String(value);
  }

  globalThis.check = (actual, expected, what = '') => {
    const got = show(actual);
    const wanted = show(expected);
    if (got === wanted) current.passed += 1;
    else current.failures.push(`${current.name}: ${what} got ${got}, wanted ${wanted}`);
  };

  globalThis.throws = (run, name, what = '') => {
    try {
      const value = run();
      current.failures.push(`${current.name}: ${what} gave ${show(value)}, wanted a ${name}`);
    } catch (error) {
      check(error?.name, name, what || String(error?.message));
    }
  };

  globalThis.rejects = async (promise, name, what = '') => {
    try {
      const value = await promise;
      current.failures.push(`${current.name}: ${what} gave ${show(value)}, wanted a ${name}`);
    } catch (error) {
      check(error?.name, name, what || String(error?.message));
    }
  };

  globalThis.test = (name, body) => tests.push({ name, body });

  globalThis.runTests = async () => {
    const result = { passed: 0, failures: [] };
    current = result;
    for (const { name, body } of tests.splice(0)) {
      current.name = name;
      try {
        await body();
      } catch (error) {
        result.failures.push(`${name}: threw ${error?.stack ?? error}`);
      }
    }
    return { passed: result.passed, failures: result.failures };
  };
})();
