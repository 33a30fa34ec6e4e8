// Methods and getters of the built-ins as functions of what they are called on, and what stands for those that are no help.

const ObjectPrototypeToString = uncurryThis(Object.prototype.toString);
const FunctionPrototypeBind = uncurryThis(Function.prototype.bind);

const ArrayPrototypeIncludes = uncurryThis(Array.prototype.includes);
const ArrayPrototypeIndexOf = uncurryThis(Array.prototype.indexOf);
const ArrayPrototypeJoin = uncurryThis(Array.prototype.join);
const ArrayPrototypePop = uncurryThis(Array.prototype.pop);
const ArrayPrototypeShift = uncurryThis(Array.prototype.shift);
const ArrayPrototypeSort = uncurryThis(Array.prototype.sort);

const StringPrototypeCharCodeAt = uncurryThis(String.prototype.charCodeAt);
const StringPrototypeEndsWith = uncurryThis(String.prototype.endsWith);
const StringPrototypeIncludes = uncurryThis(String.prototype.includes);
const StringPrototypeIndexOf = uncurryThis(String.prototype.indexOf);
const StringPrototypeLastIndexOf = uncurryThis(String.prototype.lastIndexOf);
const StringPrototypeReplaceAll = uncurryThis(String.prototype.replaceAll);
const StringPrototypeSlice = uncurryThis(String.prototype.slice);
const StringPrototypeSplit = uncurryThis(String.prototype.split);
const StringPrototypeToLowerCase = uncurryThis(String.prototype.toLowerCase);
const StringPrototypeToUpperCase = uncurryThis(String.prototype.toUpperCase);
const StringPrototypeToWellFormed = uncurryThis(String.prototype.toWellFormed);
const StringPrototypeTrim = uncurryThis(String.prototype.trim);
const RegExpPrototypeExec = uncurryThis(RegExp.prototype.exec);
const RegExpPrototypeGetSource = getterOf(RegExp.prototype, 'source');

const NumberPrototypeToString = uncurryThis(Number.prototype.toString);
const NumberPrototypeValueOf = uncurryThis(Number.prototype.valueOf);
const StringPrototypeValueOf = uncurryThis(String.prototype.valueOf);
const BooleanPrototypeValueOf = uncurryThis(Boolean.prototype.valueOf);
const BigIntPrototypeValueOf = uncurryThis(BigInt.prototype.valueOf);
const DatePrototypeGetTime = uncurryThis(Date.prototype.getTime);
const DatePrototypeToISOString = uncurryThis(Date.prototype.toISOString);

const MapPrototypeDelete = uncurryThis(Map.prototype.delete);
const MapPrototypeForEach = uncurryThis(Map.prototype.forEach);
const MapPrototypeGet = uncurryThis(Map.prototype.get);
const MapPrototypeGetSize = getterOf(Map.prototype, 'size');
const MapPrototypeHas = uncurryThis(Map.prototype.has);
const MapPrototypeSet = uncurryThis(Map.prototype.set);
const SetPrototypeAdd = uncurryThis(Set.prototype.add);
const SetPrototypeForEach = uncurryThis(Set.prototype.forEach);
const SetPrototypeGetSize = getterOf(Set.prototype, 'size');
const WeakMapPrototypeGet = uncurryThis(WeakMap.prototype.get);
const WeakMapPrototypeSet = uncurryThis(WeakMap.prototype.set);

const TypedArrayPrototypeGetBuffer = getterOf(TypedArray.prototype, 'buffer');
const TypedArrayPrototypeGetByteLength = getterOf(TypedArray.prototype, 'byteLength');
const TypedArrayPrototypeGetByteOffset = getterOf(TypedArray.prototype, 'byteOffset');
const TypedArrayPrototypeGetLength = getterOf(TypedArray.prototype, 'length');
const TypedArrayPrototypeGetTag = getterOf(TypedArray.prototype, Symbol.toStringTag);
const TypedArrayPrototypeSet = uncurryThis(TypedArray.prototype.set);
const DataViewPrototypeGetBuffer = getterOf(DataView.prototype, 'buffer');
const DataViewPrototypeGetByteLength = getterOf(DataView.prototype, 'byteLength');
const DataViewPrototypeGetByteOffset = getterOf(DataView.prototype, 'byteOffset');
const ArrayBufferPrototypeGetByteLength = getterOf(ArrayBuffer.prototype, 'byteLength');
const ArrayBufferPrototypeGetDetached = getterOf(ArrayBuffer.prototype, 'detached');
const ArrayBufferPrototypeTransferToFixedLength = uncurryThis(ArrayBuffer.prototype.transferToFixedLength);

const PromisePrototypeThen = uncurryThis(Promise.prototype.then);
const PromiseResolve = Promise.resolve.bind(Promise);
const PromiseReject = Promise.reject.bind(Promise);
const PromiseWithResolvers = Promise.withResolvers.bind(Promise);

const SymbolIterator = Symbol.iterator;
const SymbolAsyncIterator = Symbol.asyncIterator;
const SymbolToStringTag = Symbol.toStringTag;

// V8 adds its newest features to a context only after the snapshot was read, so these can't be captured above. They are
// at boot if the runtime calls this function there, at the first use otherwise.
let late;

function captureLatePrimordials() {
  late = {
    __proto__: null,
    fromBase64: Uint8Array.fromBase64,
    toBase64: uncurryThis(Uint8Array.prototype.toBase64),
    Float16Array: globalThis.Float16Array,
  };
  return late;
}

const Uint8ArrayFromBase64 = (text, options) => (late ?? captureLatePrimordials()).fromBase64(text, options);
const Uint8ArrayPrototypeToBase64 = (bytes, options) => (late ?? captureLatePrimordials()).toBase64(bytes, options);

// What stands for built-ins that are no help: `push` meets setters on `Array.prototype`, the others ask a list or a view
// for its `constructor` and fill what that makes. Only for real lists and whole numbers within them.

function ArrayPrototypePush(list) {
  for (let i = 1; i < arguments.length; i++) ownProperty(list, list.length, arguments[i]);
  return list.length;
}

function ArrayPrototypeSlice(list, from = 0) {
  const made = [];
  for (let i = from; i < list.length; i++) ArrayPrototypePush(made, list[i]);
  return made;
}

function ArrayPrototypeConcat(list, more) {
  const made = ArrayPrototypeSlice(list);
  for (let i = 0; i < more.length; i++) ArrayPrototypePush(made, more[i]);
  return made;
}

function ArrayPrototypeFilter(list, isKept) {
  const made = [];
  for (let i = 0; i < list.length; i++) if (isKept(list[i])) ArrayPrototypePush(made, list[i]);
  return made;
}

function ArrayPrototypeMap(list, change) {
  const made = [];
  for (let i = 0; i < list.length; i++) ArrayPrototypePush(made, change(list[i]));
  return made;
}

function TypedArrayPrototypeSubarray(bytes, from, to = TypedArrayPrototypeGetLength(bytes)) {
  return new Uint8Array(TypedArrayPrototypeGetBuffer(bytes), TypedArrayPrototypeGetByteOffset(bytes) + from, to - from);
}

// The getter `flags` asks for each of them by its name.
const REGEXP_FLAGS = ['hasIndices', 'global', 'ignoreCase', 'multiline', 'dotAll', 'unicode', 'unicodeSets', 'sticky'];
const REGEXP_LETTERS = 'dgimsuvy';
for (let i = 0; i < REGEXP_FLAGS.length; i++) REGEXP_FLAGS[i] = getterOf(RegExp.prototype, REGEXP_FLAGS[i]);

function RegExpPrototypeGetFlags(expression) {
  let flags = '';
  for (let i = 0; i < REGEXP_FLAGS.length; i++) {
    const isSet = REGEXP_FLAGS[i];
    if (isSet(expression)) flags += REGEXP_LETTERS[i];
  }
  return flags;
}

/** Makes or replaces a property as an assignment would, but asks no setter. */
function ownProperty(target, name, value) {
  ObjectDefineProperty(target, name, { __proto__: null, configurable: true, enumerable: true, writable: true, value });
}
