// Numbers of the native operations (1 to 99 belong to the web APIs, see `src/web/mod.rs`; 100 and above to the runtime)
// and the small conversions that the web APIs share.

const OP_UTF8_LENGTH = 1;
const OP_UTF8_WRITE = 2;
const OP_ENCODING_OF_LABEL = 3;
const OP_DECODE = 4;
const OP_DECODER_NEW = 5;
const OP_DECODER_PUSH = 6;
const OP_URL_PARSE = 10;
const OP_URL_PARTS = 11;
const OP_URL_SET = 12;
const OP_FORM_PARSE = 13;
const OP_FORM_SERIALIZE = 14;
const OP_RANDOM_FILL = 20;
const OP_RANDOM_UUID = 21;
const OP_DIGEST = 22;
const OP_HMAC_SIGN = 23;
const OP_HMAC_VERIFY = 24;
const OP_KIND = 30;
const OP_NOW = 31;
const OP_TIME_ORIGIN = 32;

// What `native(OP_KIND, value)` answers, from V8's own slots and not from anything that a script can fake.
const KIND_OTHER = 0;
const KIND_ARRAY = 1;
const KIND_DATE = 2;
const KIND_REGEXP = 3;
const KIND_MAP = 4;
const KIND_SET = 5;
const KIND_ARRAY_BUFFER = 6;
const KIND_TYPED_ARRAY = 7;
const KIND_DATA_VIEW = 8;
const KIND_ERROR = 9;
const KIND_BOXED_BOOLEAN = 10;
const KIND_BOXED_NUMBER = 11;
const KIND_BOXED_STRING = 12;
const KIND_BOXED_BIGINT = 13;
const KIND_PROXY = 14;
// Slots that no copy can be made of: promises, generators, weak collections, boxed symbols, shared buffers, ...
const KIND_UNCLONEABLE = 15;

/** What asks for a kind of object answers this until the first of the kind can be made. */
const isNone = () => false;

/** Makes something on its first use only: an isolate pays for the APIs that its plugin touches. */
function once(make) {
  let made;
  return () => (made === undefined ? (made = make()) : made);
}

/**
 * Installs globals that are made at first use. The accessor turns into the plain data property that the standards
 * describe as soon as anyone reads or writes it.
 */
function lazyGlobals(load, names) {
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    // Getter and setter in one function, since every isolate has all of them.
    const access = (...given) => {
      const value = given.length > 0 ? given[0] : load()[name];
      dataProperty(globalThis, name, value);
      return value;
    };
    ObjectDefineProperty(globalThis, name, { __proto__: null, configurable: true, enumerable: false, get: access, set: access });
  }
}

function dataProperty(target, name, value) {
  ObjectDefineProperty(target, name, { __proto__: null, configurable: true, enumerable: false, writable: true, value });
}

// Prototypes of the classes that the prelude defines, as far as they are in use, and of two built-ins whose slots V8 does
// not let us ask for.
const platformPrototypes = [WeakRef.prototype, FinalizationRegistry.prototype];

function isPlatformObject(value) {
  for (let at = ObjectGetPrototypeOf(value); at !== null; at = ObjectGetPrototypeOf(at)) {
    if (at !== ObjectPrototype && ArrayPrototypeIncludes(platformPrototypes, at)) return true;
  }
  return false;
}

/** Gives a class its `Symbol.toStringTag`, and makes its members enumerable as Web IDL wants them. */
function interfaceTag(constructor, name) {
  const prototype = constructor.prototype;
  ObjectDefineProperty(prototype, SymbolToStringTag, { __proto__: null, configurable: true, value: name });
  ArrayPrototypePush(platformPrototypes, prototype);
  const keys = ReflectOwnKeys(prototype);
  for (let i = 0; i < keys.length; i++) {
    if (typeof keys[i] === 'symbol' || keys[i] === 'constructor') continue;
    ObjectDefineProperty(prototype, keys[i], { __proto__: null, enumerable: true });
  }
}

/** Web IDL `USVString`. Throws a TypeError for symbols, as the template does. */
function toUSVString(value) {
  return StringPrototypeToWellFormed(`${value}`);
}

/** Web IDL `ByteString`: every character must fit into a byte. */
function toByteString(value, what) {
  const text = `${value}`;
  for (let i = 0; i < text.length; i++) {
    if (StringPrototypeCharCodeAt(text, i) > 255) {
      throw new TypeError(`${what} has a character (U+${StringPrototypeToUpperCase(
        NumberPrototypeToString(StringPrototypeCharCodeAt(text, i), 16))}) that does not fit into a byte`);
    }
  }
  return text;
}

/** Web IDL dictionary conversion: undefined and null are the empty dictionary, other primitives are errors. */
function toDictionary(value, what) {
  if (value === undefined || value === null) return { __proto__: null };
  if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError(`${what} must be an object`);
  return value;
}

function needArguments(count, least, what) {
  if (count < least) {
    throw new TypeError(`${what}: ${least} argument${least === 1 ? '' : 's'} required, but only ${count} present`);
  }
}

function isObject(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

/** Whether it is an ArrayBuffer or a view on one (no SharedArrayBuffer: isolates have none). */
function isBufferSource(value) {
  return typeof value === 'object' && value !== null &&
    (ArrayBufferIsView(value) || native(OP_KIND, value) === KIND_ARRAY_BUFFER);
}

/** The bytes behind a `BufferSource`, not copied. A TypeError for anything else. */
function bytesOf(value, what) {
  if (typeof value === 'object' && value !== null) {
    if (ArrayBufferIsView(value)) {
      return TypedArrayPrototypeGetTag(value) === undefined
        ? new Uint8Array(DataViewPrototypeGetBuffer(value), DataViewPrototypeGetByteOffset(value),
          DataViewPrototypeGetByteLength(value))
        : new Uint8Array(TypedArrayPrototypeGetBuffer(value), TypedArrayPrototypeGetByteOffset(value),
          TypedArrayPrototypeGetByteLength(value));
    }
    if (native(OP_KIND, value) === KIND_ARRAY_BUFFER) return new Uint8Array(value);
  }
  throw new TypeError(`${what} must be an ArrayBuffer or a view on one`);
}

/** A copy of the bytes in a buffer of their own. */
function copyBytes(bytes) {
  const copy = new Uint8Array(TypedArrayPrototypeGetByteLength(bytes));
  TypedArrayPrototypeSet(copy, bytes);
  return copy;
}

/** UTF-8. The text must be well-formed or have its lone surrogates replaced, which this does. */
function encodeUtf8(text) {
  const bytes = new Uint8Array(native(OP_UTF8_LENGTH, text));
  native(OP_UTF8_WRITE, text, bytes);
  return bytes;
}

/** UTF-8 decode of the standard: with replacement characters, without a leading byte order mark. */
function decodeUtf8(bytes) {
  const text = native(OP_DECODE, 'utf-8', bytes, false);
  return text.length > 0 && StringPrototypeCharCodeAt(text, 0) === 0xfeff ? StringPrototypeSlice(text, 1) : text;
}

function concatBytes(chunks, total) {
  if (chunks.length === 1) return chunks[0];
  const all = new Uint8Array(total);
  let at = 0;
  for (let i = 0; i < chunks.length; i++) {
    TypedArrayPrototypeSet(all, chunks[i], at);
    at += TypedArrayPrototypeGetByteLength(chunks[i]);
  }
  return all;
}

/** Reports an error that no caller can catch: through the runtime, else as an unhandled rejection. */
function reportUncaught(error) {
  if (runtimeReportError !== undefined) runtimeReportError(error);
  else PromiseReject(error);
}

/** Reads a Web IDL sequence through the value's own iterator, as the standards ask. */
function sequenceOf(value, what) {
  const method = isObject(value) ? value[SymbolIterator] : undefined;
  if (typeof method !== 'function') throw new TypeError(`${what} must be iterable`);
  const iterator = ReflectApply(method, value, []);
  const next = iterator.next;
  const list = [];
  for (;;) {
    const step = ReflectApply(next, iterator, []);
    if (!isObject(step)) throw new TypeError(`${what}: the iterator's answer must be an object`);
    if (step.done) return list;
    ArrayPrototypePush(list, step.value);
  }
}

/** An iterator of the built-in kind over a live list: `at(i)` gives the i-th value or undefined past the end. */
function listIterator(at, tag) {
  let i = 0;
  const iterator = ObjectCreate(IteratorPrototype);
  dataProperty(iterator, 'next', () => {
    const value = at(i);
    if (value === undefined) return { value: undefined, done: true };
    i += 1;
    return { value, done: false };
  });
  ObjectDefineProperty(iterator, SymbolToStringTag, { __proto__: null, configurable: true, value: tag });
  return iterator;
}
