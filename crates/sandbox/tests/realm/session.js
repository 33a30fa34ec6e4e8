// A plugin that uses much of what there is, and replaces the built-ins under it in the middle. It itself calls none of
// them afterwards but by copies that it made before, so that whoever calls a replaced one is the prelude.
//
// `MODE` and `NAMES` are put before this text: what the replacements do, and the names of properties that occur in the
// prelude.

const { apply, construct, getOwnPropertyDescriptor, getPrototypeOf, ownKeys, defineProperty } = Reflect;
const { toString } = Object.prototype;
const listPrototype = Array.prototype;
const noPrototype = (object) => Object.setPrototypeOf(object, null);

// ---- what was called, newest first

let seen = null;
const told = { __proto__: null };
function note(name, self) {
  if (told[name]) return;
  told[name] = true;
  let kind = typeof self;
  try {
    if (kind === 'object') kind = apply(toString, self, []);
  } catch {}
  seen = { __proto__: null, text: `${name} on ${kind}`, next: seen };
}

// What the language itself asks, of objects that the plugin may hold anyway: a promise for its constructor, what is resolved
// (also with another promise) for `then`, and what is written as JSON for `toJSON`.
const asked = {
  __proto__: null, 'get Promise.prototype.constructor': true, 'get Promise.Symbol(Symbol.species)': true, 'get then': true,
  'get toJSON': true, 'Promise.prototype.then': true,
};
const isAsked = (name) => asked[name] === true;

// ---- replacing

const homes = [
  'Array', 'ArrayBuffer', 'BigInt', 'BigInt64Array', 'Boolean', 'DataView', 'Date', 'Error', 'FinalizationRegistry',
  'Float32Array', 'Function', 'Iterator', 'JSON', 'Map', 'Math', 'Number', 'Object', 'Promise', 'Proxy', 'RangeError', 'Reflect',
  'RegExp', 'Set', 'String', 'Symbol', 'TypeError', 'Uint8Array', 'WeakMap', 'WeakRef', 'WeakSet', 'Intl',
  'AbortController', 'AbortSignal', 'Blob', 'CryptoKey', 'CustomEvent', 'DOMException', 'Event', 'EventTarget', 'File', 'FormData',
  'Headers', 'Performance', 'ReadableStream', 'ReadableStreamDefaultController', 'ReadableStreamDefaultReader', 'Request', 'Response',
  'SubtleCrypto', 'TextDecoder', 'TextDecoderStream', 'TextEncoder', 'TextEncoderStream', 'TransformStream',
  'TransformStreamDefaultController', 'URL', 'URLSearchParams', 'WritableStream', 'WritableStreamDefaultController',
  'WritableStreamDefaultWriter', 'crypto', 'console', 'performance',
];

function replacement(name, original) {
  return function (...args) {
    if (!isAsked(name)) note(name, this);
    if (MODE === 'throws' && !isAsked(name)) throw new TypeError(`${name} is not what it was`);
    return new.target === undefined ? apply(original, this, args) : construct(original, args, new.target);
  };
}

function replaceAll(target, name) {
  const keys = ownKeys(target);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (key === 'prototype' || key === 'length' || key === 'name') continue;
    const property = getOwnPropertyDescriptor(target, key);
    if (!property.configurable && !property.writable) continue;
    const path = `${name}.${String(key)}`;
    if (key === 'constructor' || key === Symbol.species) {
      if (!property.configurable) continue;
      const value = property.get ? apply(property.get, target, []) : property.value;
      defineProperty(target, key, { __proto__: null, configurable: true, get: replacement(`get ${path}`, () => value) });
    } else if (typeof property.value === 'function') {
      defineProperty(target, key, { __proto__: null, ...property, value: replacement(path, property.value) });
    } else if (property.get && property.configurable) {
      defineProperty(target, key, {
        __proto__: null, configurable: true, get: replacement(`get ${path}`, property.get),
        set: property.set && replacement(`set ${path}`, property.set),
      });
    }
  }
}

function replaceEverything() {
  const targets = [];
  for (const name of homes) {
    const value = globalThis[name];
    if (value === undefined) throw new Error(`there is no ${name}`);
    targets.push([value, name]);
    if (typeof value === 'function' && value.prototype) targets.push([value.prototype, `${name}.prototype`]);
  }
  const iterators = { Array: [][Symbol.iterator](), Map: new Map().entries(), Set: new Set().values(), String: ''[Symbol.iterator]() };
  for (const name of Object.keys(iterators)) targets.push([getPrototypeOf(iterators[name]), `${name}Iterator.prototype`]);
  targets.push([getPrototypeOf(Uint8Array), 'TypedArray'], [getPrototypeOf(Uint8Array.prototype), 'TypedArray.prototype']);
  targets.push([getPrototypeOf(async () => {}), 'AsyncFunction.prototype']);
  targets.push([getPrototypeOf((async function* () {}).prototype), 'AsyncGenerator.prototype']);
  const [lists, objects] = [Array.prototype, Object.prototype];
  for (let i = targets.length - 1; i >= 0; i--) replaceAll(targets[i][0], targets[i][1]);
  for (let i = 0; i < 3; i++) {
    watch(lists, i);
    watch(objects, i);
  }
  for (let i = 0; i < NAMES.length; i++) if (!(NAMES[i] in objects)) watch(objects, NAMES[i]);
  defineProperty(Error, 'prepareStackTrace', { __proto__: null, value: (error) => {
    if (MODE === 'throws') throw new TypeError('no stack');
    return { toString: () => 'hostile' };
  } });
}

// A getter and a setter where an ordinary look or assignment arrives that finds nothing before.
function watch(home, name) {
  const path = `${home === listPrototype ? 'Array' : 'Object'}.prototype[${name}]`;
  const shown = name === 'then' || name === 'toJSON' ? `get ${name}` : `get ${path}`;
  defineProperty(home, name, {
    __proto__: null,
    configurable: true,
    get: replacement(shown, () => undefined),
    set(value) {
      note(`set ${path}`, this);
      defineProperty(this, name, { __proto__: null, value, configurable: true, enumerable: true, writable: true });
    },
  });
}

// ---- copies of what the session calls

const method = (home, name) => {
  const property = getOwnPropertyDescriptor(home.prototype, name);
  const original = property.get ?? property.value;
  return (self, ...args) => apply(original, self, args);
};
const {
  AbortController, AbortSignal, Blob, CustomEvent, Date, DOMException, Error, EventTarget, File, FormData, Headers, Map, Promise,
  ReadableStream, RangeError, Request, Response, Set, Symbol, TextDecoder, TextDecoderStream, TextEncoder, TextEncoderStream, TransformStream, TypeError,
  URL, URLSearchParams, Uint16Array, Uint8Array, WritableStream, atob, btoa, clearTimeout, console, crypto, fetch, path, performance,
  queueMicrotask, reportError, setTimeout, structuredClone,
} = globalThis;
const { log, warn, assert, count } = console;
const { subtle } = crypto;
const { join, relative } = path;
const m = {
  abort: method(AbortController, 'abort'), signal: method(AbortController, 'signal'), listen: method(EventTarget, 'addEventListener'),
  unlisten: method(EventTarget, 'removeEventListener'), dispatch: method(EventTarget, 'dispatchEvent'), any: AbortSignal.any,
  aborted: method(AbortSignal, 'aborted'), code: method(DOMException, 'code'),
  text: method(Blob, 'text'), slice: method(Blob, 'slice'), size: method(Blob, 'size'), bytes: method(Blob, 'arrayBuffer'),
  append: method(FormData, 'append'), getForm: method(FormData, 'get'), setForm: method(FormData, 'set'),
  header: method(Headers, 'append'), getHeader: method(Headers, 'get'), dropHeader: method(Headers, 'delete'),
  responseText: method(Response, 'text'), json: method(Response, 'json'), form: method(Response, 'formData'), status: method(Response, 'status'),
  clone: method(Response, 'clone'), requestText: method(Request, 'text'), cloneRequest: method(Request, 'clone'),
  reader: method(ReadableStream, 'getReader'), pipeThrough: method(ReadableStream, 'pipeThrough'), pipeTo: method(ReadableStream, 'pipeTo'),
  tee: method(ReadableStream, 'tee'), read: method(globalThis.ReadableStreamDefaultReader, 'read'),
  enqueue: method(globalThis.ReadableStreamDefaultController, 'enqueue'), close: method(globalThis.ReadableStreamDefaultController, 'close'),
  transformed: method(globalThis.TransformStreamDefaultController, 'enqueue'),
  encode: method(TextEncoder, 'encode'), decode: method(TextDecoder, 'decode'), href: method(URL, 'href'), query: method(URL, 'searchParams'),
  setQuery: method(URLSearchParams, 'set'), params: method(URLSearchParams, 'toString'), addParam: method(URLSearchParams, 'append'),
  sign: subtle.sign.bind(subtle), key: subtle.importKey.bind(subtle), digest: subtle.digest.bind(subtle),
  exportKey: subtle.exportKey.bind(subtle),
  random: crypto.getRandomValues.bind(crypto), clock: performance.now.bind(performance),
  mapGet: method(Map, 'get'), mapSet: method(Map, 'set'), add: method(Set, 'add'),
};
const onabort = getOwnPropertyDescriptor(AbortSignal.prototype, 'onabort').set;
m.onabort = (self, value) => apply(onabort, self, [value]);
// Both ends of a transform, as a plain object: the standard reads them through the prototype.
const ends = (home) => {
  const [readable, writable] = [method(home, 'readable'), method(home, 'writable')];
  return (self) => ({ __proto__: null, readable: readable(self), writable: writable(self) });
};
m.transform = ends(TransformStream);
m.encoder = ends(TextEncoderStream);
m.decoder = ends(TextDecoderStream);
const { canParse } = URL;
const pullFrom = ReadableStream.from.bind(ReadableStream);
const iterate = Symbol.iterator;

// What standards take as a sequence, without the iterator of arrays.
function sequence(length, at) {
  let i = 0;
  return { __proto__: null, [iterate]: () => ({ __proto__: null, next: () => ({ __proto__: null, done: i >= length, value: i < length ? at(i++) : undefined }) }) };
}
const list = (...values) => sequence(values.length, (i) => values[i]);
const options = (object) => ({ __proto__: null, ...object });
const hex = (buffer) => {
  const bytes = new Uint8Array(buffer);
  let text = '';
  for (let i = 0; i < 4; i++) text += `${bytes[i]},`;
  return text;
};
async function readAll(stream) {
  const reader = m.reader(stream);
  let text = '';
  for (;;) {
    const { value, done } = await m.read(reader);
    if (done) return text;
    text += `${typeof value === 'string' ? value : hex(value)}|`;
  }
}
const source = (...chunks) => {
  let i = 0;
  return new ReadableStream(options({ pull(controller) {
    if (i < chunks.length) m.enqueue(controller, chunks[i++]);
    else m.close(controller);
  } }));
};
const failure = (run) => {
  try {
    return `gave ${run()}`;
  } catch (error) {
    return typeof error;
  }
};

// ---- the session: parts, each of which gives a text

function parts(ctx) {
  return options({
    files: async () => `${await ctx.fs.readFile('a')} ${hex(await ctx.fs.readFile('a', 'bytes'))}`,
    writes: async () => `${await ctx.fs.writeFile('a', new Uint8Array(3))} ${await ctx.fs.exists('a')}`,
    programs: async () => {
      const { exitCode, stdout } = await ctx.exec('ls', options({ deep: 1 }), options({ cwd: '.', env: options({ A: 'b' }) }));
      return `${exitCode} ${stdout}`;
    },
    storage: async () => {
      await ctx.storage.set('key', options({ a: 1 }));
      return `${await ctx.storage.get('nothing')}`;
    },
    session: async () => `${ctx.session.id} ${(await ctx.session.messages()).length} ${(await ctx.session.metadata()).title}`,
    refusals: async () => {
      try {
        await ctx.notify('text', 'CAPABILITY_DENIED');
        return 'allowed';
      } catch (error) {
        return `${error.code} ${error.hint} ${typeof error.stack}`;
      }
    },
    wrong: async () => {
      try {
        return await ctx.fs.readFile(5);
      } catch (error) {
        return `${typeof error} ${error.message}`;
      }
    },
    fetch: async () => {
      const signal = m.signal(new AbortController());
      const answer = await fetch('https://example.com/a#b', options({ method: 'POST', headers: options({ a: 'b' }), body: 'text', signal }));
      return `${m.status(answer)} ${await m.responseText(m.clone(answer))}`;
    },
    bodies: async () => {
      const form = new FormData();
      m.append(form, 'a', 'b');
      m.setForm(form, 'file', new File(list('content'), 'name.txt', options({ type: 'text/plain' })));
      const back = await m.form(new Response(form));
      const file = m.getForm(back, 'file');
      const request = new Request('https://example.com', options({ method: 'PUT', body: new URLSearchParams('a=b&c=d') }));
      return `${m.getForm(back, 'a')} ${await m.text(file)} ${await m.requestText(m.cloneRequest(request))} ${
        (await m.json(new Response('{"a":1}'))).a}`;
    },
    headers: () => {
      const headers = new Headers(options({ accept: 'a', other: 'b' }));
      m.header(headers, 'Accept', 'c');
      m.dropHeader(headers, 'other');
      return `${m.getHeader(headers, 'accept')} ${m.getHeader(headers, 'other')}`;
    },
    blobs: async () => {
      const blob = new Blob(list('abc', new Uint8Array(2), new Blob(list('def'))), options({ type: 'A/b' }));
      return `${m.size(blob)} ${await m.text(m.slice(blob, 1, -1))} ${hex(await m.bytes(blob))}`;
    },
    urls: () => {
      const url = new URL('../b?c=d#e', 'https://example.com/a/');
      m.setQuery(m.query(url), 'x', 'ü');
      m.addParam(m.query(url), 'y', 'z');
      return `${m.href(url)} ${canParse('::')} ${failure(() => new URL('::'))} ${m.params(new URLSearchParams(list(list('a', 'b'))))}`;
    },
    text: () => `${m.decode(new TextDecoder('shift_jis'), m.encode(new TextEncoder(), 'abc'))} ${atob(btoa('text'))} ${failure(() => atob('?'))}`,
    clones: () => {
      const map = new Map();
      m.mapSet(map, 'a', m.add(new Set(), 1));
      const copy = structuredClone(options({ map, date: new Date(5), re: /a/g, bytes: new Uint16Array(2), error: new RangeError('x'), list: [1, [2]] }));
      return `${typeof m.mapGet(copy.map, 'a')} ${copy.bytes[1]} ${copy.error.message} ${copy.list[1][0]} ${failure(() => structuredClone(() => {}))}`;
    },
    crypto: async () => {
      const key = await m.key('raw', new Uint8Array(8), options({ name: 'HMAC', hash: 'SHA-256' }), false, list('sign', 'verify'));
      let refused = false;
      try {
        await m.exportKey('raw', key);
      } catch {
        refused = true;
      }
      m.random(new Uint8Array(4));
      return `${hex(await m.sign('HMAC', key, new Uint8Array(3)))} ${hex(await m.digest('SHA-1', new Uint8Array(3)))} ${refused}`;
    },
    streams: async () => {
      const twice = m.transform(new TransformStream(options({ transform: (chunk, controller) => m.transformed(controller, chunk + chunk) })));
      const one = source('a', 'b');
      const two = source('c');
      let written = '';
      await m.pipeTo(two, new WritableStream(options({ write(chunk) { written += chunk; } })));
      const branches = m.tee(source('x', 'y'));
      const encoded = m.pipeThrough(m.pipeThrough(source('ä'), m.encoder(new TextEncoderStream())), m.decoder(new TextDecoderStream()));
      return `${await readAll(m.pipeThrough(one, twice))} ${written} ${await readAll(branches[0])} ${await readAll(branches[1])} ${
        await readAll(encoded)} ${await readAll(pullFrom(list('p', 'q')))}`;
    },
    events: () => {
      let heard = '';
      const target = new EventTarget();
      const listener = (event) => { heard += `${typeof event} `; };
      m.listen(target, 'a', listener);
      m.listen(target, 'a', options({ handleEvent: listener }), options({ once: true }));
      m.dispatch(target, new CustomEvent('a', options({ detail: 1 })));
      m.unlisten(target, 'a', listener);
      m.dispatch(target, new CustomEvent('a'));
      const controller = new AbortController();
      const followed = m.any(list(m.signal(controller)));
      m.onabort(m.signal(controller), () => { heard += 'aborted '; });
      m.abort(controller, 'why');
      return `${heard}${m.aborted(followed)} ${m.code(new DOMException('m', 'AbortError'))}`;
    },
    logs: () => {
      const map = new Map();
      m.mapSet(map, options({ a: [1, 'b', -0] }), new Error('e'));
      log('%s is %d%% of %o', 'a', 5, map, new Uint8Array(2), Symbol('s'), 5n, /x/, new Date(0), new URL('https://a.b/'));
      warn(options({ [5]: null }), [undefined, [[[[[1]]]]]]);
      assert(false, 'no');
      count('c');
      ctx.log.info('text', options({ deep: options({}) }));
      return 'logged';
    },
    paths: () => `${join('a', '../b')} ${relative('/a/b', '/a/c')} ${ctx.fs.basename('/x/y.z', '.z')}`,
    timers: () => new Promise((resolve) => {
      clearTimeout(setTimeout(() => {}, 1000));
      queueMicrotask(() => {});
      setTimeout((a, b) => resolve(`${a} ${b} ${typeof m.clock()}`), 1, 'x', 'y');
    }),
  });
}

export default (ctx) => {
  const all = parts(ctx);
  const names = ownKeys(all);
  return {
    on: {
      'cost.updated': () => {
        if (MODE !== 'none') replaceEverything();
      },
      'session.idle': async (event) => {
        const results = { __proto__: null };
        for (let i = 0; i < names.length; i++) {
          try {
            results[names[i]] = await all[names[i]]();
          } catch (error) {
            results[names[i]] = `threw ${error.message}`;
          }
        }
        return results;
      },
      'tool.execute.before': (event) => {
        event.args.command += ' -l';
      },
      'session.error': async () => {
        throw new RangeError('on purpose');
      },
      'message.added': () => {
        const lines = { __proto__: null };
        for (let at = seen; at !== null; at = at.next) lines[at.text] = true;
        return lines;
      },
    },
    tools: [{ name: 'plus', description: 'adds', execute: ({ a }) => a + 1 }],
  };
};
