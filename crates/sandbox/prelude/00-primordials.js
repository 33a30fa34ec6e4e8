// Every built-in that the prelude uses, captured before any plugin code can replace it. A plugin that patches
// `Array.prototype.push` or deletes `Map` changes its own world, never what the prelude does.
//
// Rules for prelude code: no method call on a built-in (`ArrayPrototypePush(list, x)`, not `list.push(x)`), no `for...of`
// and no array destructuring or spread over values (they look up `Symbol.iterator` on a prototype that plugins own); no
// `instanceof`; no assignment to what an object does not have yet, and no look at what it may not have (both ask
// prototypes); no method or getter of the prelude's own classes; no secret as an argument of `super`. The tests in
// `tests/it/realm.rs` look for all of this, in the text and by what hostile built-ins get to see.
//
// Here are the constructors and what is no method; methods and getters stand in the next file. Each of the two is a scope of
// its own (`SCOPES` in `build.rs`).

// Set by the runtime when an isolate boots: `native(op, a, b, c, ...)`. Undefined while the snapshot is made.
let native;
// Set by the runtime at boot where it has them; both are looked up at the time of use.
let runtimeSetTimeout;
let runtimeReportError;

const {
  Array, ArrayBuffer, BigInt, BigInt64Array, BigUint64Array, Boolean, DataView, Date, Error, EvalError,
  FinalizationRegistry, Float32Array, Float64Array, Function, Int16Array, Int32Array, Int8Array, JSON, Map,
  Math, Number, Object, Promise, Proxy, RangeError, ReferenceError, Reflect, RegExp, Set, String, Symbol, SyntaxError,
  TypeError, URIError, Uint16Array, Uint32Array, Uint8Array, Uint8ClampedArray, WeakMap, WeakRef,
} = globalThis;

const uncurryThis = Function.prototype.bind.bind(Function.prototype.call);
const getterOf = (prototype, key) => uncurryThis(Object.getOwnPropertyDescriptor(prototype, key).get);

const ReflectApply = Reflect.apply;
const ReflectConstruct = Reflect.construct;
const ReflectHas = Reflect.has;
const ReflectOwnKeys = Reflect.ownKeys;

const ObjectCreate = Object.create;
const ObjectDefineProperty = Object.defineProperty;
const ObjectFreeze = Object.freeze;
const ObjectGetOwnPropertyDescriptor = Object.getOwnPropertyDescriptor;
const ObjectGetPrototypeOf = Object.getPrototypeOf;
const ObjectHasOwn = Object.hasOwn;
const ObjectIs = Object.is;
const ObjectKeys = Object.keys;
const ObjectSetPrototypeOf = Object.setPrototypeOf;
const ObjectPrototype = Object.prototype;
const ErrorPrototype = Error.prototype;
const ErrorCaptureStackTrace = Error.captureStackTrace;

const ArrayIsArray = Array.isArray;
const ArrayIteratorPrototype = Object.getPrototypeOf([][Symbol.iterator]());
const IteratorPrototype = Object.getPrototypeOf(ArrayIteratorPrototype);
const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);

const StringFromCharCode = String.fromCharCode;

const MathFloor = Math.floor;
const MathMax = Math.max;
const MathMin = Math.min;
const MathTrunc = Math.trunc;
const DateNow = Date.now;
const JSONParse = JSON.parse;
const JSONStringify = JSON.stringify;

const TypedArray = Object.getPrototypeOf(Uint8Array);
const ArrayBufferIsView = ArrayBuffer.isView;
