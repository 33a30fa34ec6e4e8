// structuredClone (https://html.spec.whatwg.org/multipage/structured-data.html).
//
// Written in JavaScript on purpose: V8's own serialiser grows its buffer outside of every limit that an isolate has and
// does not stop when it is told to (a list that names one long string a million times is enough). Here, the heap limit,
// the allocator and the CPU limit hold as they do for any other script.

// How platform objects are copied, added by the files that define them: each gives a copy of its own kind, and undefined
// for anything else.
const cloneablePlatformObjects = [];

const loadClone = once(() => {
  function structuredClone(value, options) {
    needArguments(arguments.length, 1, 'structuredClone');
    const transfer = toDictionary(options, 'the options of structuredClone').transfer;
    const list = transfer === undefined ? [] : sequenceOf(transfer, 'the list of transferred objects');
    if (list.length === 0 && !isObject(value) && typeof value !== 'symbol') return value;
    for (let i = 0; i < list.length; i++) {
      if (!isObject(list[i]) || native(OP_KIND, list[i]) !== KIND_ARRAY_BUFFER) {
        fail('only an ArrayBuffer can be transferred');
      }
      if (ArrayPrototypeIndexOf(list, list[i]) !== i) fail('an ArrayBuffer is in the list of transferred objects twice');
      if (ArrayBufferPrototypeGetDetached(list[i])) fail('a detached ArrayBuffer cannot be transferred');
    }
    const result = copy(value, new Map());
    // A transferred buffer is copied like any other and then detached: nobody can tell, and whatever fails on the way
    // leaves it attached. One that a getter detached meanwhile is as gone as it would be.
    for (let i = 0; i < list.length; i++) {
      if (!ArrayBufferPrototypeGetDetached(list[i])) ArrayBufferPrototypeTransferToFixedLength(list[i], 0);
    }
    return result;
  }

  function fail(message) {
    throw domException(message, 'DataCloneError');
  }

  function copy(value, seen) {
    if (typeof value !== 'object' || value === null) {
      if (typeof value === 'symbol') fail('a symbol cannot be cloned');
      if (typeof value === 'function') fail('a function cannot be cloned');
      return value;
    }
    const known = MapPrototypeGet(seen, value);
    if (known !== undefined) return known;
    const kind = native(OP_KIND, value);
    let result;
    switch (kind) {
      case KIND_ARRAY:
        result = new Array(value.length);
        break;
      case KIND_DATE: return remember(seen, value, new Date(DatePrototypeGetTime(value)));
      case KIND_REGEXP:
        return remember(seen, value, new RegExp(RegExpPrototypeGetSource(value), RegExpPrototypeGetFlags(value)));
      case KIND_BOXED_BOOLEAN: return remember(seen, value, Object(BooleanPrototypeValueOf(value)));
      case KIND_BOXED_NUMBER: return remember(seen, value, Object(NumberPrototypeValueOf(value)));
      case KIND_BOXED_STRING: return remember(seen, value, Object(StringPrototypeValueOf(value)));
      case KIND_BOXED_BIGINT: return remember(seen, value, Object(BigIntPrototypeValueOf(value)));
      case KIND_ARRAY_BUFFER:
        if (ArrayBufferPrototypeGetDetached(value)) fail('a detached ArrayBuffer cannot be cloned');
        return remember(seen, value, copyBuffer(value));
      case KIND_TYPED_ARRAY:
      case KIND_DATA_VIEW: return copyView(value, kind, seen);
      case KIND_MAP: return copyMap(value, seen);
      case KIND_SET: return copySet(value, seen);
      case KIND_ERROR: return copyError(value, seen);
      case KIND_PROXY: return fail('a Proxy cannot be cloned');
      case KIND_UNCLONEABLE: return fail(`${ObjectPrototypeToString(value)} cannot be cloned`);
      default:
        for (let i = 0; i < cloneablePlatformObjects.length; i++) {
          const made = cloneablePlatformObjects[i](value);
          if (made !== undefined) return remember(seen, value, made);
        }
        if (isPlatformObject(value)) fail(`${ObjectPrototypeToString(value)} cannot be cloned`);
        result = {};
    }
    MapPrototypeSet(seen, value, result);
    const keys = ObjectKeys(value);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      // A getter of an earlier key may have removed this one.
      if (!ObjectHasOwn(value, key)) continue;
      ownProperty(result, key, copy(value[key], seen));
    }
    return result;
  }

  function remember(seen, value, made) {
    MapPrototypeSet(seen, value, made);
    return made;
  }

  // Not by `slice`, which asks the buffer's constructor for its species.
  function copyBuffer(buffer) {
    const bytes = new Uint8Array(ArrayBufferPrototypeGetByteLength(buffer));
    TypedArrayPrototypeSet(bytes, new Uint8Array(buffer));
    return TypedArrayPrototypeGetBuffer(bytes);
  }

  const viewConstructors = {
    __proto__: null, Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
    Float16Array: (late ?? captureLatePrimordials()).Float16Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array,
  };

  function copyView(view, kind, seen) {
    const isDataView = kind === KIND_DATA_VIEW;
    const buffer = isDataView ? DataViewPrototypeGetBuffer(view) : TypedArrayPrototypeGetBuffer(view);
    const offset = isDataView ? DataViewPrototypeGetByteOffset(view) : TypedArrayPrototypeGetByteOffset(view);
    const length = isDataView ? DataViewPrototypeGetByteLength(view) : TypedArrayPrototypeGetLength(view);
    const constructor = isDataView ? DataView : viewConstructors[TypedArrayPrototypeGetTag(view)];
    const target = copy(buffer, seen);
    return remember(seen, view, new constructor(target, offset, length));
  }

  function copyMap(map, seen) {
    const made = remember(seen, map, new Map());
    const entries = [];
    MapPrototypeForEach(map, (value, key) => ArrayPrototypePush(entries, key, value));
    for (let i = 0; i < entries.length; i += 2) {
      const key = copy(entries[i], seen);
      MapPrototypeSet(made, key, copy(entries[i + 1], seen));
    }
    return made;
  }

  function copySet(set, seen) {
    const made = remember(seen, set, new Set());
    const entries = [];
    SetPrototypeForEach(set, (value) => ArrayPrototypePush(entries, value));
    for (let i = 0; i < entries.length; i++) SetPrototypeAdd(made, copy(entries[i], seen));
    return made;
  }

  const errorConstructors = {
    __proto__: null, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError,
  };

  function copyError(error, seen) {
    const name = error.name;
    const own = ObjectGetOwnPropertyDescriptor(error, 'message');
    const message = own !== undefined && ObjectHasOwn(own, 'value') ? `${own.value}` : undefined;
    const constructor = typeof name === 'string' && errorConstructors[name];
    const made = remember(seen, error, constructor ? new constructor(message) : new Error(message));
    dataProperty(made, 'stack', stackOf(error));
    if (ObjectHasOwn(error, 'cause')) dataProperty(made, 'cause', copy(error.cause, seen));
    return made;
  }

  return { structuredClone };
});

lazyGlobals(loadClone, ['structuredClone']);
