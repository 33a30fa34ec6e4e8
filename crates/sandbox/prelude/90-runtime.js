// The runtime of a plugin: its handlers, and the way in and out of the isolate.
//
// `boot` is called once in every new isolate, everything else in here is part of the snapshot. Calls and answers are JSON
// text. Nothing in here trusts what a plugin returns: it is read once, inside the isolate, under the limits.

const OP_HOST_CALL = 100; // (op, args text) -> request number
const OP_LOG = 101; // (level, text)
const OP_SETTLE = 102; // (call, status, text)
const OP_SET_CURRENT = 103; // (record)
const OP_GET_CURRENT = 104; // () -> record
const OP_SET_TIMER = 105; // (timer, milliseconds, repeats)
const OP_CLEAR_TIMER = 106; // (timer)
const OP_STARTED = 107; // (status, text)

const DONE = 0;
const THREW = 1;
const INVALID = 2;
const NO_PLUGIN = 3;

const MAX_TEXT = 65536;

// The events of which a plugin may change a part in place, and that part.
const IN_PLACE = {
  __proto__: null,
  'tool.execute.before': 'args',
  'tool.execute.after': 'result',
  'chat.message': 'messages',
};

const COMPLETED_ALIAS = 'session.completed';

const handlers = new Map(); // event -> function
const tools = new Map(); // name -> definition
const commands = new Map();
const running = new Map(); // call -> record, of calls that have not answered at once
const timers = new Map();
let nextTimer = 1;
let disposer;

// ---- errors to text

function describe(error) {
  let name = 'Error';
  let message;
  let stack;
  try {
    if (typeof error === 'object' && error !== null) {
      const ownName = error.name;
      const ownMessage = error.message;
      if (typeof ownName === 'string') name = shortened(ownName);
      if (typeof ownMessage === 'string') message = shortened(ownMessage);
      stack = stackOf(error);
      if (stack !== undefined) stack = shortened(stack);
    } else if (typeof error === 'string') {
      message = shortened(error);
    }
    if (message === undefined) message = `threw ${shortened(inspect(error))}`;
  } catch {
    message = 'threw a value that cannot be described';
  }
  return JSONStringify({ __proto__: null, name, message, stack });
}

// ---- start

function boot(nativeFunction, text, restarted, guards, wasm, shared) {
  native = nativeFunction;
  captureLatePrimordials();
  contextText = text;
  isRestarted = restarted;
  // V8 wants to find them when it restores the snapshot, so they go at boot.
  if (!shared) {
    delete globalThis.SharedArrayBuffer;
    delete globalThis.Atomics;
  }
  if (wasm) settleWasmAtOnce(shared);
  else delete globalThis.WebAssembly;
  if (!guards) removeGuards();
}

function pluginOf(namespace) {
  if (typeof namespace.default === 'function') return namespace.default;
  const names = ObjectKeys(namespace);
  let found;
  for (let i = 0; i < names.length; i++) {
    if (typeof namespace[names[i]] !== 'function') continue;
    if (found !== undefined) return undefined;
    found = namespace[names[i]];
  }
  return found;
}

// `evaluated` is the promise of the module's own code, which may await.
function setup(evaluated, namespace) {
  const failed = (error) => native(OP_STARTED, THREW, describe(error));
  PromisePrototypeThen(evaluated, () => begin(namespace, failed), failed);
}

function begin(namespace, failed) {
  const plugin = pluginOf(namespace);
  if (plugin === undefined) {
    const message = 'the module exports no plugin: export one function, or a function as default';
    native(OP_STARTED, NO_PLUGIN, JSONStringify({ __proto__: null, name: 'TypeError', message }));
    return;
  }
  try {
    const result = plugin(ctx);
    PromisePrototypeThen(PromiseResolve(result), (value) => {
      let declared;
      try {
        declared = register(value);
      } catch (error) {
        failed(error);
        return;
      }
      native(OP_STARTED, DONE, declared);
    }, failed);
  } catch (error) {
    failed(error);
  }
}

function register(returned) {
  const declared = { __proto__: null, events: [], tools: [], commands: [], auth: [] };
  if (returned === undefined || returned === null) return JSONStringify(declared);
  if (typeof returned !== 'object') throw new TypeError(`the plugin returned ${typeof returned}, not an object`);
  const on = returned.on;
  if (on !== undefined && on !== null) {
    const names = ObjectKeys(on);
    for (let i = 0; i < names.length; i++) {
      const handler = on[names[i]];
      if (typeof handler !== 'function') throw new TypeError(`on['${names[i]}'] is ${typeof handler}, not a function`);
      listen(names[i], handler);
      ArrayPrototypePush(declared.events, names[i]);
    }
  }
  registerAll(returned.tools, 'tools', tools, declared.tools);
  registerAll(returned.commands, 'commands', commands, declared.commands);
  const providers = returned.auth?.providers;
  if (providers !== undefined) {
    declared.auth = ObjectKeys(providers);
    for (let i = 0; i < declared.auth.length; i++) {
      const name = declared.auth[i];
      const provider = providers[name];
      if (typeof provider !== 'function') throw new TypeError(`auth.providers['${name}'] is no function`);
      const execute = (config) => ReflectApply(provider, providers, [{ __proto__: null, ...config, oauth: oauthFlows() }, ctx]);
      // No command has such a name
      MapPrototypeSet(commands, `auth:${name}`, { __proto__: null, execute });
    }
  }
  if (returned.dispose !== undefined) {
    if (typeof returned.dispose !== 'function') throw new TypeError('dispose is no function');
    disposer = () => returned.dispose();
  }
  return JSONStringify(declared);
}

function listen(name, handler) {
  let event = name;
  let listener = handler;
  if (name === COMPLETED_ALIAS) {
    event = 'session.idle';
    listener = (payload, context) => (payload.reason === 'completed' ? handler(payload, context) : undefined);
  }
  const other = MapPrototypeGet(handlers, event);
  if (other === undefined) {
    MapPrototypeSet(handlers, event, listener);
    return;
  }
  MapPrototypeSet(handlers, event, async (payload, context) => {
    const first = await other(payload, context);
    const second = await listener(payload, context);
    return second === undefined ? first : second;
  });
}

function registerAll(list, what, into, declared) {
  if (list === undefined || list === null) return;
  if (!ArrayIsArray(list)) throw new TypeError(`${what} is no array`);
  for (let i = 0; i < list.length; i++) {
    const definition = list[i];
    if (typeof definition !== 'object' || definition === null) throw new TypeError(`${what}[${i}] is no object`);
    const { name, description, execute } = definition;
    if (typeof name !== 'string') throw new TypeError(`${what}[${i}] has no name`);
    if (typeof execute !== 'function') throw new TypeError(`${what}[${i}] (${name}) has no execute function`);
    if (MapPrototypeHas(into, name)) throw new TypeError(`${what}: ${name} is there twice`);
    MapPrototypeSet(into, name, definition);
    ArrayPrototypePush(declared, {
      __proto__: null,
      name,
      description: typeof description === 'string' ? description : '',
      schema: schemaOf(definition.schema),
    });
  }
}

// A JSON Schema, or what can turn itself into one.
function schemaOf(schema) {
  if (typeof schema !== 'object' || schema === null) return undefined;
  if (typeof schema.toJSONSchema === 'function') return schema.toJSONSchema({ io: 'input' });
  // What Zod makes of a schema carries this as well, and is plain data otherwise.
  if (schema['~standard'] !== undefined && ObjectGetPrototypeOf(schema) !== ObjectPrototype) {
    throw new TypeError('a schema can\'t be turned into JSON Schema: use tool() of @mimir/plugin, Zod 4.2 or later, or JSON Schema');
  }
  return schema;
}

// ---- calls

function isThenable(value) {
  return ((typeof value === 'object' && value !== null) || typeof value === 'function') && typeof value.then === 'function';
}

function settle(record, status, answer) {
  if (record.done) return;
  record.done = true;
  MapPrototypeDelete(running, record.id);
  native(OP_SETTLE, record.id, status, answer);
}

// Runs `produce`, and turns what comes of it into an answer by `finish` (which gives text or throws).
function run(record, produce, finish) {
  native(OP_SET_CURRENT, record);
  let value;
  try {
    value = produce();
  } catch (error) {
    settle(record, THREW, describe(error));
    return;
  }
  try {
    if (isThenable(value)) {
      MapPrototypeSet(running, record.id, record);
      PromisePrototypeThen(
        PromiseResolve(value),
        (resolved) => complete(record, finish, resolved),
        (error) => settle(record, THREW, describe(error)),
      );
      return;
    }
  } catch (error) {
    settle(record, INVALID, describe(error));
    return;
  }
  complete(record, finish, value);
}

function complete(record, finish, value) {
  let answer;
  try {
    answer = finish(value);
  } catch (error) {
    settle(record, INVALID, describe(error));
    return;
  }
  settle(record, DONE, answer);
}

function answerText(value) {
  const answer = JSONStringify(value);
  if (answer === undefined) throw new TypeError(`the answer is a ${typeof value}, which is no JSON data`);
  return answer;
}

function dispatchEvent(id, name, payload) {
  const handler = MapPrototypeGet(handlers, name);
  if (handler === undefined) {
    native(OP_SETTLE, id, DONE, '{}');
    return;
  }
  const event = JSONParse(payload);
  const record = { __proto__: null, id, sessionId: event.sessionId, signal: undefined, messages: undefined, aborted: undefined, done: false };
  const key = IN_PLACE[name];
  if (key === undefined) {
    run(record, () => handler(event, ctx), (value) => (value === undefined ? '{}' : `{"value":${answerText(value)}}`));
    return;
  }
  const before = JSONStringify(event[key]);
  run(record, () => handler(event, ctx), (value) => {
    const after = JSONStringify(event[key]);
    const changed = after === before ? '' : `"changed":{"${key}":${after === undefined ? 'null' : after}}`;
    if (value === undefined) return `{${changed}}`;
    return `{"value":${answerText(value)}${changed === '' ? '' : ','}${changed}}`;
  });
}

// Tools, commands and auth providers.
function dispatchCall(id, isTool, name, args, sessionId) {
  const definition = MapPrototypeGet(isTool ? tools : commands, name);
  const record = { __proto__: null, id, sessionId, signal: undefined, messages: undefined, aborted: undefined, done: false };
  run(record, () => {
    if (definition === undefined) throw new TypeError(`this plugin has no ${isTool ? 'tool' : 'command'} ${name}`);
    return definition.execute(JSONParse(args), ctx);
  }, (value) => (value === undefined ? 'null' : answerText(value)));
}

function abortCall(id, reason) {
  const record = MapPrototypeGet(running, id);
  if (record === undefined) return;
  record.aborted = domException(reason, 'AbortError');
  // What the listeners do is done for this call, whichever was entered last.
  native(OP_SET_CURRENT, record);
  if (record.signal !== undefined) loadAbort().abort(record.signal, record.aborted);
}

function rejected(reason) {
  log(LEVEL_WARN, [`unhandled rejection: ${inspect(reason)}`]);
}

function dispose() {
  if (disposer === undefined) return;
  native(OP_SET_CURRENT, undefined);
  const dispose = disposer;
  disposer = undefined;
  try {
    dispose();
  } catch (error) {
    log(LEVEL_ERROR, [`dispose threw: ${inspect(error)}`]);
  }
}

// ---- timers

function addTimer(callback, delay, repeats, args) {
  if (typeof callback !== 'function') throw new TypeError('the callback is no function');
  let milliseconds = +delay;
  if (!(milliseconds >= 1)) milliseconds = 1;
  if (milliseconds > 2147483647) milliseconds = 1;
  const timer = nextTimer++;
  native(OP_SET_TIMER, timer, milliseconds, repeats);
  MapPrototypeSet(timers, timer, { __proto__: null, callback, repeats, args, record: native(OP_GET_CURRENT) });
  return timer;
}

function clearTimer(timer) {
  if (typeof timer === 'number' && MapPrototypeDelete(timers, timer)) native(OP_CLEAR_TIMER, timer);
}

function fireTimer(timer) {
  const entry = MapPrototypeGet(timers, timer);
  if (entry === undefined) return;
  if (!entry.repeats) MapPrototypeDelete(timers, timer);
  native(OP_SET_CURRENT, entry.record);
  try {
    ReflectApply(entry.callback, undefined, entry.args);
  } catch (error) {
    log(LEVEL_ERROR, [`a timer threw: ${inspect(error)}`]);
  }
}

dataProperty(globalThis, 'setTimeout', function setTimeout(callback, delay, ...args) {
  return addTimer(callback, delay, false, args);
});
dataProperty(globalThis, 'setInterval', function setInterval(callback, delay, ...args) {
  return addTimer(callback, delay, true, args);
});
dataProperty(globalThis, 'clearTimeout', function clearTimeout(timer) {
  clearTimer(timer);
});
dataProperty(globalThis, 'clearInterval', function clearInterval(timer) {
  clearTimer(timer);
});

runtimeSetTimeout = globalThis.setTimeout;
runtimeReportError = (error) => log(LEVEL_ERROR, [`uncaught: ${inspect(error)}`]);

// ---- console and process

const loadConsole = once(() => {
  const counts = new Map();
  const startTimes = new Map();

  const console = {
    __proto__: {},
    log: (...values) => log(LEVEL_INFO, values),
    info: (...values) => log(LEVEL_INFO, values),
    debug: (...values) => log(LEVEL_DEBUG, values),
    trace: (...values) => log(LEVEL_DEBUG, ArrayPrototypeConcat(values, [new Error('trace')])),
    warn: (...values) => log(LEVEL_WARN, values),
    error: (...values) => log(LEVEL_ERROR, values),
    dir: (value) => log(LEVEL_INFO, [value]),
    table: (value) => log(LEVEL_INFO, [value]),
    assert(condition, ...values) {
      if (!condition) log(LEVEL_ERROR, ArrayPrototypeConcat(['assertion failed'], values));
    },
    count(label = 'default') {
      const count = (MapPrototypeGet(counts, `${label}`) ?? 0) + 1;
      MapPrototypeSet(counts, `${label}`, count);
      log(LEVEL_INFO, [`${label}: ${count}`]);
    },
    countReset(label = 'default') {
      MapPrototypeDelete(counts, `${label}`);
    },
    time(label = 'default') {
      MapPrototypeSet(startTimes, `${label}`, DateNow());
    },
    timeLog(label = 'default', ...values) {
      const start = MapPrototypeGet(startTimes, `${label}`);
      if (start !== undefined) log(LEVEL_INFO, ArrayPrototypeConcat([`${label}: ${DateNow() - start} ms`], values));
    },
    timeEnd(label = 'default') {
      const start = MapPrototypeGet(startTimes, `${label}`);
      MapPrototypeDelete(startTimes, `${label}`);
      if (start !== undefined) log(LEVEL_INFO, [`${label}: ${DateNow() - start} ms`]);
    },
    group: (...values) => log(LEVEL_INFO, values),
    groupCollapsed: (...values) => log(LEVEL_INFO, values),
    groupEnd() {},
  };
  return { console };
});

lazyGlobals(loadConsole, ['console']);

const loadProcess = once(() => ({
  process: {
    get env() {
      return contextData().env ?? {};
    },
  },
}));

lazyGlobals(loadProcess, ['process']);
