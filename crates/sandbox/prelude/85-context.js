// What a plugin gets as `ctx`, and how it calls the host.
//
// Arguments are checked where a mistake would be hard to understand later; whether a call is allowed is decided outside.

const ObjectIsFrozen = Object.isFrozen;
const ErrorCaptureStackTrace = Error.captureStackTrace;
const ErrorPrototype = Error.prototype;

const waiting = new Map(); // request -> {resolve, reject, site}
// What `ctx` shows without a host call, taken apart at first use.
let contextText = '{}';
let contextValue;
let isRestarted = false;

// What a refused or failed host call rejects with.
const loadMimirError = once(() => {
  class MimirError extends Error {
    constructor(details, site) {
      const { code, capability, hint } = details;
      const message = hint === undefined ? details.message : `${details.message} (${hint})`;
      super(message);
      const frames = StringPrototypeIndexOf(site, '\n');
      define(this, 'stack', `MimirError: ${message}${frames < 0 ? '' : StringPrototypeSlice(site, frames)}`);
      ownProperty(this, 'code', code);
      if (capability !== undefined) ownProperty(this, 'capability', capability);
      if (hint !== undefined) ownProperty(this, 'hint', hint);
    }
  }
  ObjectDefineProperty(MimirError.prototype, 'name', {
    __proto__: null, value: 'MimirError', writable: true, configurable: true, enumerable: false,
  });
  return MimirError;
});

function contextData() {
  if (contextValue === undefined) contextValue = { __proto__: null, ...JSONParse(contextText) };
  return contextValue;
}

function deepFreeze(value) {
  if (typeof value === 'object' && value !== null && !ObjectIsFrozen(value)) {
    ObjectFreeze(value);
    const keys = ObjectKeys(value);
    for (let i = 0; i < keys.length; i++) deepFreeze(value[keys[i]]);
  }
  return value;
}

// ---- calls to the host

function hostCall(op, args) {
  // On no prototype, since `JSON.stringify` asks for `toJSON`.
  const text = args === undefined ? '{}' : JSONStringify({ __proto__: null, ...args });
  const request = native(OP_HOST_CALL, op, text);
  // Where the plugin made the call. When the answer comes, the stack is a different one.
  const site = ObjectCreate(ErrorPrototype);
  ErrorCaptureStackTrace(site, hostCall);
  return new Promise((resolve, reject) => {
    MapPrototypeSet(waiting, request, { __proto__: null, resolve, reject, site });
  });
}

function hostResult(request, succeeded, text) {
  const entry = MapPrototypeGet(waiting, request);
  if (entry === undefined) return;
  MapPrototypeDelete(waiting, request);
  if (succeeded) entry.resolve(JSONParse(text));
  else entry.reject(refusal(text, entry.site));
}

// Plugins can be in the way twice: by `Error.prepareStackTrace`, and above the class of the error.
function refusal(text, site) {
  try {
    const MimirError = loadMimirError();
    return new MimirError({ __proto__: null, ...JSONParse(text) }, stackOf(site) ?? '');
  } catch (error) {
    return error;
  }
}

function text(value, what) {
  if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
  return value;
}

// A promise even where the arguments are wrong, so that callers have one place for errors.
function call(op, args) {
  try {
    return hostCall(op, args());
  } catch (error) {
    return PromiseReject(error);
  }
}

// ---- ctx

function dataArgument(path, data, options) {
  if (typeof data === 'string') return { path: text(path, 'the path'), data, encoding: options?.encoding ?? 'utf8' };
  return { path: text(path, 'the path'), data: Uint8ArrayPrototypeToBase64(bytesOf(data, 'the data')), encoding: 'base64' };
}

const fs = {
  readFile(path, options) {
    const encoding = typeof options === 'string' ? options : options?.encoding === undefined ? 'utf8' : options.encoding;
    if (encoding === null || encoding === 'bytes') {
      return PromisePrototypeThen(
        call('fs.readFile', () => ({ path: text(path, 'the path'), encoding: 'base64' })),
        (data) => Uint8ArrayFromBase64(data),
      );
    }
    return call('fs.readFile', () => ({ path: text(path, 'the path'), encoding: encoding === 'utf-8' ? 'utf8' : encoding }));
  },
  writeFile: (path, data, options) => call('fs.writeFile', () => dataArgument(path, data, options)),
  appendFile: (path, data, options) => call('fs.appendFile', () => dataArgument(path, data, options)),
  exists: (path) => call('fs.exists', () => ({ path: text(path, 'the path') })),
  stat: (path) => call('fs.stat', () => ({ path: text(path, 'the path') })),
  readdir: (path) => call('fs.readdir', () => ({ path: text(path, 'the path') })),
  mkdir: (path, options) => call('fs.mkdir', () => ({ path: text(path, 'the path'), recursive: !!options?.recursive })),
  ensureDir: (path) => call('fs.mkdir', () => ({ path: text(path, 'the path'), recursive: true })),
  remove: (path, options) => call('fs.remove', () => ({ path: text(path, 'the path'), recursive: !!options?.recursive })),
  unlink: (path) => call('fs.remove', () => ({ path: text(path, 'the path'), recursive: false })),
  join: (...parts) => ReflectApply(loadPath().path.join, undefined, parts),
  resolve: (...parts) => ReflectApply(loadPath().path.resolve, undefined, parts),
  relative: (from, to) => loadPath().path.relative(from, to),
  dirname: (name) => loadPath().path.dirname(name),
  basename: (name, suffix) => loadPath().path.basename(name, suffix),
  extname: (name) => loadPath().path.extname(name),
};

function execute(command, argsOrInput, options) {
  return call('exec', () => {
    const request = { __proto__: null, command: text(command, 'the command') };
    if (ArrayIsArray(argsOrInput)) request.args = argsOrInput;
    else if (typeof argsOrInput === 'object' && argsOrInput !== null) request.input = JSONStringify(argsOrInput);
    else if (argsOrInput !== undefined) throw new TypeError('the arguments must be an array, or an object for standard input');
    if (options !== undefined) {
      if (typeof options.input === 'string') request.input = options.input;
      else if (options.input !== undefined) request.input = JSONStringify(options.input);
      if (options.cwd !== undefined) request.cwd = options.cwd;
      if (options.env !== undefined) request.env = options.env;
      if (options.timeoutMs !== undefined) request.timeoutMs = options.timeoutMs;
    }
    return request;
  });
}

function exec(command, argsOrInput, options) {
  return execute(command, argsOrInput, options);
}
exec.execute = execute;

const storage = {
  get: (key) => PromisePrototypeThen(
    call('storage.get', () => ({ key: text(key, 'the key') })),
    (value) => (value === null ? undefined : value),
  ),
  set: (key, value) => call('storage.set', () => ({ key: text(key, 'the key'), value: value === undefined ? null : value })),
  delete: (key) => call('storage.delete', () => ({ key: text(key, 'the key') })),
  keys: () => call('storage.keys', nothing),
  clear: () => call('storage.clear', nothing),
};

// Made at first use: each name in here costs memory in every isolate otherwise.
const loadLlm = once(() => {
  async function* streamChat(request) {
    const stream = await call('llm.stream', () => request);
    let ended = false;
    try {
      for (;;) {
        const piece = await call('llm.read', () => stream);
        ended = piece.answer !== undefined;
        yield piece;
        if (ended) return;
      }
    } finally {
      if (!ended) PromisePrototypeThen(call('llm.cancel', () => stream), undefined, () => {});
    }
  }
  return ObjectFreeze({
    chat: (request) => call('llm.chat', () => request),
    streamChat,
    countTokens: (request) => call('llm.countTokens', () => request),
    calculateCost: (model, usage) => call('llm.calculateCost', () => ({ model: text(model, 'the model'), usage })),
    budget: () => call('llm.budget', nothing),
  });
});

const loadDocker = once(() => ObjectFreeze({
  run: (image, options) => call('docker.run', () => {
    const request = { __proto__: null, ...options, image: text(image, 'the image') };
    if (request.input !== undefined && typeof request.input !== 'string') request.input = JSONStringify(request.input);
    return request;
  }),
}));

const loadTools = once(() => ObjectFreeze({
  list: () => call('tools.list', nothing),
  get: (name) => PromisePrototypeThen(
    call('tools.get', () => ({ name: text(name, 'the name') })),
    (tool) => (tool === null ? undefined : tool),
  ),
  execute: (name, args) => call('tools.execute', () => ({ name: text(name, 'the name'), args })),
}));

// For auth providers alone: elsewhere the host refuses it.
const loadOauth = once(() => {
  const by = (op) => (options) => call(op, () => options);
  return ObjectFreeze({ deviceCode: by('oauth.deviceCode'), browser: by('oauth.browser'), refresh: by('oauth.refresh') });
});

const LEVELS = { __proto__: null, debug: 0, info: 1, warn: 2, error: 3 };

function log(level, values) {
  native(OP_LOG, level, formatted(values));
}

const logger = {
  debug: (...values) => log(LEVELS.debug, values),
  info: (...values) => log(LEVELS.info, values),
  warn: (...values) => log(LEVELS.warn, values),
  error: (...values) => log(LEVELS.error, values),
};

function currentRecord() {
  const record = native(OP_GET_CURRENT);
  return typeof record === 'object' && record !== null ? record : undefined;
}

const session = {
  get id() {
    return currentRecord()?.sessionId ?? '';
  },
  // Fetched at first use; the same during one event.
  messages() {
    const record = currentRecord();
    if (record === undefined) return call('session.messages', nothing);
    if (record.messages === undefined) record.messages = call('session.messages', nothing);
    return record.messages;
  },
  metadata() {
    return PromisePrototypeThen(call('session.get', nothing), (answer) => answer.metadata);
  },
};

const ctx = {
  fs: ObjectFreeze(fs),
  exec: ObjectFreeze(exec),
  storage: ObjectFreeze(storage),
  log: ObjectFreeze(logger),
  session: ObjectFreeze(session),
  notify: (message, level) => call('notify', () => ({ message: text(message, 'the message'), level: level ?? 'info' })),
  secret: (name) => call('secret.handle', () => ({ name: text(name, 'the name') })),
  ask: (question, options) => PromisePrototypeThen(
    call('ask', () => ({ question: text(question, 'the question'), choices: options?.choices, default: options?.default })),
    (answer) => (answer === null ? undefined : answer),
  ),
  confirm: (question) => call('confirm', () => ({ question: text(question, 'the question') })),
  get tools() {
    return loadTools();
  },
  get llm() {
    return loadLlm();
  },
  get docker() {
    return loadDocker();
  },
  get config() {
    return deepFreeze(contextData().config ?? {});
  },
  get project() {
    return deepFreeze(contextData().project ?? {});
  },
  get plugin() {
    return deepFreeze(contextData().plugin ?? {});
  },
  get restarted() {
    return isRestarted;
  },
  get signal() {
    const record = currentRecord();
    if (record === undefined) return undefined;
    if (record.signal === undefined) {
      record.signal = loadAbort().make();
      if (record.aborted) loadAbort().abort(record.signal, record.aborted);
    }
    return record.signal;
  },
};
ObjectFreeze(ctx);
