// How the prelude calls the host. Arguments are checked where a mistake would be hard to understand later; whether a call
// is allowed is decided outside.

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
      dataProperty(this, 'stack', `MimirError: ${message}${frames < 0 ? '' : StringPrototypeSlice(site, frames)}`);
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

/** The stack if it is a text. What makes it may be the plugin's own, and throw. */
function stackOf(error) {
  try {
    const { stack } = error;
    return typeof stack === 'string' ? stack : undefined;
  } catch {
    return undefined;
  }
}

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
