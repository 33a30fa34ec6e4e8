// DOMException (https://webidl.spec.whatwg.org/#idl-DOMException).

// Names with a legacy code: their position is the code, the gaps are retired.
const DOM_EXCEPTION_CODES = ',IndexSizeError,,HierarchyRequestError,WrongDocumentError,InvalidCharacterError,,' +
  'NoModificationAllowedError,NotFoundError,NotSupportedError,InUseAttributeError,InvalidStateError,SyntaxError,' +
  'InvalidModificationError,NamespaceError,InvalidAccessError,,TypeMismatchError,SecurityError,NetworkError,' +
  'AbortError,URLMismatchError,QuotaExceededError,TimeoutError,InvalidNodeTypeError,DataCloneError';

const loadDOMException = once(() => {
  const names = StringPrototypeSplit(DOM_EXCEPTION_CODES, ',');

  class DOMException {
    #message;
    #name;

    constructor(message = '', options = 'Error') {
      this.#message = toUSVString(message);
      if (isObject(options)) {
        this.#name = options.name === undefined ? 'Error' : toUSVString(options.name);
        if (ReflectHas(options, 'cause')) dataProperty(this, 'cause', options.cause);
      } else {
        this.#name = toUSVString(options);
      }
      ErrorCaptureStackTrace(this, DOMException);
    }

    get name() { return this.#name; }
    get message() { return this.#message; }
    get code() { return MathMax(0, ArrayPrototypeIndexOf(names, this.#name)); }

    static {
      ArrayPrototypePush(cloneablePlatformObjects, (value) => {
        if (!(#name in value)) return undefined;
        const made = new DOMException(value.#message, value.#name);
        dataProperty(made, 'stack', stackOf(value));
        return made;
      });
    }
  }

  ObjectSetPrototypeOf(DOMException.prototype, Error.prototype);
  interfaceTag(DOMException, 'DOMException');
  for (let i = 1; i < names.length; i++) {
    if (names[i] === '') continue;
    // IndexSizeError -> INDEX_SIZE_ERR, NotSupportedError -> NOT_SUPPORTED_ERR, URLMismatchError -> URL_MISMATCH_ERR
    let constant = '';
    const name = StringPrototypeSlice(names[i], 0, -'or'.length);
    for (let k = 0; k < name.length; k++) {
      const isUpper = name[k] >= 'A' && name[k] <= 'Z';
      const afterLower = k > 0 && !(name[k - 1] >= 'A' && name[k - 1] <= 'Z');
      const beforeLower = k + 1 < name.length && !(name[k + 1] >= 'A' && name[k + 1] <= 'Z');
      if (isUpper && k > 0 && (afterLower || beforeLower)) constant += '_';
      constant += StringPrototypeToUpperCase(name[k]);
    }
    if (names[i] === 'InUseAttributeError') constant = 'INUSE_ATTRIBUTE_ERR';
    const property = { __proto__: null, enumerable: true, value: i };
    ObjectDefineProperty(DOMException, constant, property);
    ObjectDefineProperty(DOMException.prototype, constant, property);
  }
  return { DOMException };
});

function domException(message, name) {
  const { DOMException } = loadDOMException();
  return new DOMException(message, name);
}

lazyGlobals(loadDOMException, ['DOMException']);
