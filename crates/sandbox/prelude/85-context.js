// What a plugin gets as `ctx`.

const ObjectIsFrozen = Object.isFrozen;

function deepFreeze(value) {
  if (typeof value === 'object' && value !== null && !ObjectIsFrozen(value)) {
    ObjectFreeze(value);
    const keys = ObjectKeys(value);
    for (let i = 0; i < keys.length; i++) deepFreeze(value[keys[i]]);
  }
  return value;
}

const LEVEL_DEBUG = 0;
const LEVEL_INFO = 1;
const LEVEL_WARN = 2;
const LEVEL_ERROR = 3;

function log(level, values) {
  native(OP_LOG, level, formatted(values));
}

function currentRecord() {
  const record = native(OP_GET_CURRENT);
  return typeof record === 'object' && record !== null ? record : undefined;
}

/** A part of `ctx`, made at first use: each name and each function in it costs memory in every isolate otherwise. */
function part(name, make) {
  const get = once(() => ObjectFreeze(make()));
  ObjectDefineProperty(ctx, name, { __proto__: null, configurable: true, enumerable: true, get });
}

const ctx = {
  notify: (message, level) => call('notify', () => ({ message: text(message, 'the message'), level: level ?? 'info' })),
  secret: (name) => call('secret.handle', () => ({ name: text(name, 'the name') })),
  ask: (question, options) => PromisePrototypeThen(
    call('ask', () => ({ question: text(question, 'the question'), choices: options?.choices, default: options?.default })),
    (answer) => (answer === null ? undefined : answer),
  ),
  confirm: (question) => call('confirm', () => ({ question: text(question, 'the question') })),
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

part('fs', () => {
  function dataArgument(path, data, options) {
    if (typeof data === 'string') return { path: text(path, 'the path'), data, encoding: options?.encoding ?? 'utf8' };
    return { path: text(path, 'the path'), data: Uint8ArrayPrototypeToBase64(bytesOf(data, 'the data')), encoding: 'base64' };
  }

  return {
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
});

part('exec', () => {
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
  ownProperty(exec, 'execute', execute);
  return exec;
});

part('storage', () => ({
  get: (key) => PromisePrototypeThen(
    call('storage.get', () => ({ key: text(key, 'the key') })),
    (value) => (value === null ? undefined : value),
  ),
  set: (key, value) => call('storage.set', () => ({ key: text(key, 'the key'), value: value === undefined ? null : value })),
  delete: (key) => call('storage.delete', () => ({ key: text(key, 'the key') })),
  keys: () => call('storage.keys', nothing),
  clear: () => call('storage.clear', nothing),
}));

part('log', () => ({
  debug: (...values) => log(LEVEL_DEBUG, values),
  info: (...values) => log(LEVEL_INFO, values),
  warn: (...values) => log(LEVEL_WARN, values),
  error: (...values) => log(LEVEL_ERROR, values),
}));

part('session', () => ({
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
}));

part('llm', () => {
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
  return {
    chat: (request) => call('llm.chat', () => request),
    streamChat,
    countTokens: (request) => call('llm.countTokens', () => request),
    calculateCost: (model, usage) => call('llm.calculateCost', () => ({ model: text(model, 'the model'), usage })),
    budget: () => call('llm.budget', nothing),
  };
});

part('docker', () => ({
  run: (image, options) => call('docker.run', () => {
    const request = { __proto__: null, ...options, image: text(image, 'the image') };
    if (request.input !== undefined && typeof request.input !== 'string') request.input = JSONStringify(request.input);
    return request;
  }),
}));

part('tools', () => ({
  list: () => call('tools.list', nothing),
  get: (name) => PromisePrototypeThen(
    call('tools.get', () => ({ name: text(name, 'the name') })),
    (tool) => (tool === null ? undefined : tool),
  ),
  execute: (name, args) => call('tools.execute', () => ({ name: text(name, 'the name'), args })),
}));

ObjectFreeze(ctx);

// For auth providers alone: elsewhere the host refuses it.
function oauthFlows() {
  const by = (op) => (options) => call(op, () => options);
  return ObjectFreeze({ deviceCode: by('oauth.deviceCode'), browser: by('oauth.browser'), refresh: by('oauth.refresh') });
}
