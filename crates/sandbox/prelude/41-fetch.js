// Request, Response and fetch (https://fetch.spec.whatwg.org/#fetch-api). The request itself is made by the host, which
// checks every address against what the plugin was granted, and follows redirects by the same checks.

let isRequest = isNone;
let isResponse = isNone;

const loadFetch = once(() => {
  const { Headers, newHeaders, listOfHeaders, fillHeaders } = loadHeaders();
  const key = {};

  // ---- bodies: {bytes, stream, used, type}. Either the bytes or a stream; a stream is made of bytes when asked for.

  function bodyOf(value) {
    if (isReadableStream(value)) {
      const record = loadReadable().recordOf(value);
      if (record.disturbed || record.reader !== undefined) throw new TypeError('the body stream was used already');
      return { __proto__: null, bytes: undefined, stream: value, used: false, type: null };
    }
    let bytes;
    let type = null;
    if (isBlob(value)) {
      bytes = loadBlob().bytesOfBlob(value);
      const own = loadBlob().typeOfBlob(value);
      type = own === '' ? null : own;
    } else if (isFormData(value)) {
      const boundary = `----mimir-${native(OP_RANDOM_UUID)}`;
      bytes = loadBlob().encodeMultipart(value, boundary);
      type = `multipart/form-data; boundary=${boundary}`;
    } else if (isURLSearchParams(value)) {
      bytes = encodeUtf8(textOfParams(value));
      type = 'application/x-www-form-urlencoded;charset=UTF-8';
    } else if (isBufferSource(value)) {
      bytes = copyBytes(bytesOf(value, 'the body'));
    } else {
      bytes = encodeUtf8(toUSVString(value));
      type = 'text/plain;charset=UTF-8';
    }
    return { __proto__: null, bytes, stream: undefined, used: false, type };
  }

  function isUsed(body) {
    return body !== null && (body.used || (body.stream !== undefined && loadReadable().recordOf(body.stream).disturbed));
  }

  function isLocked(body) {
    return body !== null && body.stream !== undefined && loadReadable().recordOf(body.stream).reader !== undefined;
  }

  function streamOf(body) {
    if (body === null) return null;
    if (body.stream === undefined) {
      const fed = loadReadable().newStream({ __proto__: null }, 0);
      if (TypedArrayPrototypeGetLength(body.bytes) > 0 && !body.used) fed.enqueue(copyBytes(body.bytes));
      fed.close();
      if (body.used) loadReadable().recordOf(fed.stream).disturbed = true;
      body.stream = fed.stream;
    }
    return body.stream;
  }

  /** A promise of all the bytes, `most` at most; the body is used from now on. */
  function consume(body, most = Infinity) {
    if (body === null) return PromiseResolve(new Uint8Array(0));
    if (isUsed(body) || isLocked(body)) return PromiseReject(new TypeError('the body was used already'));
    body.used = true;
    if (body.stream === undefined) return PromiseResolve(body.bytes);
    const readable = loadReadable();
    const record = readable.recordOf(body.stream);
    readable.acquire(record);
    const { promise, resolve, reject } = PromiseWithResolvers();
    const chunks = [];
    let total = 0;
    const step = () => readable.read(record, {
      chunk(chunk) {
        if (!isObject(chunk) || TypedArrayPrototypeGetTag(chunk) !== 'Uint8Array') {
          reject(new TypeError('a body stream gives Uint8Arrays'));
          return;
        }
        ArrayPrototypePush(chunks, chunk);
        total += TypedArrayPrototypeGetLength(chunk);
        if (total > most) {
          const error = new RangeError(`the body has more than ${most} bytes`);
          handled(readable.cancel(record, error));
          reject(error);
          return;
        }
        // Not at once: a stream with everything in its queue would grow the stack.
        PromisePrototypeThen(PromiseResolve(), step);
      },
      close: () => resolve(chunks.length === 0 ? new Uint8Array(0) : concatBytes(chunks, total)),
      error: reject,
    });
    step();
    return promise;
  }

  function cloneBody(body) {
    if (body === null) return null;
    if (body.stream === undefined) return { __proto__: null, ...body };
    const readable = loadReadable();
    const pair = readable.tee(readable.recordOf(body.stream));
    body.stream = pair[0];
    body.bytes = undefined;
    return { __proto__: null, bytes: undefined, stream: pair[1], used: false, type: body.type };
  }

  let bodyRecord;
  let setBodyRecord;

  // Request and Response share how they are read; the record is {body, headers}. It is no argument of the constructor:
  // `super` calls whatever a plugin has put above a class.
  class Body {
    #record;

    static {
      bodyRecord = (object) => object.#record;
      setBodyRecord = (object, record) => {
        object.#record = record;
      };
    }
  }

  const mixin = {
    get headers() { return bodyRecord(this).headers; },
    get body() { return streamOf(bodyRecord(this).body); },
    get bodyUsed() { return isUsed(bodyRecord(this).body); },
    async text() { return decodeUtf8(await consume(bodyRecord(this).body)); },
    async json() { return JSONParse(decodeUtf8(await consume(bodyRecord(this).body))); },
    async arrayBuffer() { return TypedArrayPrototypeGetBuffer(copyBytes(await consume(bodyRecord(this).body))); },
    async bytes() { return copyBytes(await consume(bodyRecord(this).body)); },
    async blob() {
      const type = contentType(bodyRecord(this));
      const bytes = copyBytes(await consume(bodyRecord(this).body));
      return loadBlob().newBlob(bytes, type === null ? '' : StringPrototypeToLowerCase(type));
    },
    async formData() {
      const type = contentType(bodyRecord(this)) ?? '';
      const bytes = await consume(bodyRecord(this).body);
      const { FormData, appendToForm, decodeMultipart } = loadBlob();
      if (RegExpPrototypeExec(/^\s*application\/x-www-form-urlencoded\s*(;|$)/i, type) !== null) {
        const list = native(OP_FORM_PARSE, decodeUtf8(bytes));
        const form = new FormData();
        for (let i = 0; i < list.length; i += 2) appendToForm(form, list[i], list[i + 1]);
        return form;
      }
      const found = RegExpPrototypeExec(/^\s*multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;]+))/i, type);
      const form = found === null ? undefined : decodeMultipart(bytes, found[1] ?? found[2]);
      if (form === undefined) throw new TypeError('the body is not form data');
      return form;
    },
  };

  function addMixin(constructor) {
    const names = ReflectOwnKeys(mixin);
    for (let i = 0; i < names.length; i++) {
      const property = { __proto__: null, ...ObjectGetOwnPropertyDescriptor(mixin, names[i]) };
      ObjectDefineProperty(constructor.prototype, names[i], property);
    }
  }

  function contentType(record) {
    let type = null;
    const list = listOfHeaders(record.headers);
    for (let i = 0; i < list.length; i++) if (list[i].name === 'content-type') type = list[i].value;
    return type;
  }

  function addContentType(headers, body) {
    if (body.type === null) return;
    const list = listOfHeaders(headers);
    if (!hasContentType(list)) ArrayPrototypePush(list, { name: 'content-type', value: body.type });
  }

  function hasContentType(list) {
    for (let i = 0; i < list.length; i++) if (list[i].name === 'content-type') return true;
    return false;
  }

  function isToken(text) {
    return RegExpPrototypeExec(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, text) !== null;
  }

  function methodOf(value) {
    const method = toByteString(value, 'the method');
    if (!isToken(method)) throw new TypeError(`"${StringPrototypeSlice(method, 0, 80)}" is not a method`);
    const upper = StringPrototypeToUpperCase(method);
    if (upper === 'CONNECT' || upper === 'TRACE' || upper === 'TRACK') throw new TypeError(`the method ${upper} is forbidden`);
    return ArrayPrototypeIncludes(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'], upper) ? upper : method;
  }

  function oneOf(value, allowed, what) {
    const text = `${value}`;
    if (!ArrayPrototypeIncludes(allowed, text)) throw new TypeError(`"${StringPrototypeSlice(text, 0, 80)}" is no ${what}`);
    return text;
  }

  let requestOf;

  class Request extends Body {
    // {url, method, redirect, signal, ...}
    #request;

    constructor(input, init) {
      needArguments(arguments.length, 1, 'Request');
      const options = toDictionary(init, 'the options of a Request');
      const from = isRequest(input) ? input : undefined;
      const old = from === undefined ? undefined : from.#request;
      const oldBody = from === undefined ? null : bodyRecord(from).body;
      let url;
      if (old === undefined) {
        url = native(OP_URL_PARSE, toUSVString(input), undefined);
        if (url === undefined) throw new TypeError('the URL of a request must be absolute and valid');
        const parts = native(OP_URL_PARTS, url);
        if (parts[URL_USERNAME] !== '' || parts[URL_PASSWORD] !== '') {
          throw new TypeError('the URL of a request must not have credentials');
        }
      } else {
        url = old.url;
      }
      const pick = (name, missing) => (options[name] !== undefined ? options[name] : old === undefined ? missing : old[name]);
      const signal = pick('signal', null);
      if (signal !== null && !isAbortSignal(signal)) throw new TypeError('the signal must be an AbortSignal');
      const request = {
        __proto__: null,
        url,
        method: options.method === undefined ? (old === undefined ? 'GET' : old.method) : methodOf(options.method),
        redirect: oneOf(pick('redirect', 'follow'), ['follow', 'error', 'manual'], 'redirect mode'),
        mode: oneOf(pick('mode', 'cors'), ['same-origin', 'no-cors', 'cors'], 'request mode'),
        credentials: oneOf(pick('credentials', 'same-origin'), ['omit', 'same-origin', 'include'], 'credentials mode'),
        cache: oneOf(pick('cache', 'default'),
          ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'], 'cache mode'),
        referrer: 'about:client',
        referrerPolicy: `${pick('referrerPolicy', '')}`,
        integrity: `${pick('integrity', '')}`,
        keepalive: !!pick('keepalive', false),
        duplex: 'half',
        signal,
      };
      const headers = newHeaders(old !== undefined && options.headers === undefined
        ? listOfHeaders(bodyRecord(from).headers) : [], false);
      if (options.headers !== undefined) fillHeaders(headers, options.headers);
      let body = null;
      if (options.body !== undefined && options.body !== null) {
        body = bodyOf(options.body);
        if (body.stream !== undefined && options.duplex === undefined) {
          throw new TypeError('a request whose body is a stream needs duplex: "half"');
        }
        addContentType(headers, body);
      } else if (oldBody !== null && options.body === undefined) {
        if (isUsed(oldBody) || isLocked(oldBody)) throw new TypeError('the body of the request was used already');
        // The body moves to the new request.
        body = { __proto__: null, ...oldBody };
        oldBody.used = true;
      }
      if (body !== null && (request.method === 'GET' || request.method === 'HEAD')) {
        throw new TypeError('a GET or HEAD request has no body');
      }
      super();
      setBodyRecord(this, { __proto__: null, headers, body });
      this.#request = request;
    }

    get method() { return this.#request.method; }
    get url() { return this.#request.url; }
    get redirect() { return this.#request.redirect; }
    get mode() { return this.#request.mode; }
    get credentials() { return this.#request.credentials; }
    get cache() { return this.#request.cache; }
    get destination() {
      this.#request;
      return '';
    }
    get referrer() { return this.#request.referrer; }
    get referrerPolicy() { return this.#request.referrerPolicy; }
    get integrity() { return this.#request.integrity; }
    get keepalive() { return this.#request.keepalive; }
    get duplex() { return this.#request.duplex; }

    get signal() {
      if (this.#request.signal === null) this.#request.signal = loadAbort().make();
      return this.#request.signal;
    }

    clone() {
      this.#request;
      const record = bodyRecord(this);
      if (isUsed(record.body) || isLocked(record.body)) throw new TypeError('the body was used already');
      const body = cloneBody(record.body);
      const own = this.#request;
      if (own.signal === null) own.signal = loadAbort().make();
      const copy = new Request(own.url, { __proto__: null, ...own });
      bodyRecord(copy).headers = newHeaders(listOfHeaders(record.headers), false);
      bodyRecord(copy).body = body;
      return copy;
    }

    static {
      isRequest = (value) => isObject(value) && #request in value;
      requestOf = (request) => request.#request;
    }
  }
  addMixin(Request);
  interfaceTag(Request, 'Request');

  const NULL_BODY_STATUS = [101, 103, 204, 205, 304];
  let newResponse;

  class Response extends Body {
    // {type, url, status, statusText, redirected}
    #response;

    constructor(body, init) {
      if (body === key) {
        super();
        setBodyRecord(this, init.record);
        this.#response = init.response;
        return;
      }
      const options = toDictionary(init, 'the options of a Response');
      const status = options.status === undefined ? 200 : MathTrunc(+options.status) & 0xffff;
      const statusText = options.statusText === undefined ? '' : toByteString(options.statusText, 'the status text');
      if (status < 200 || status > 599) throw new RangeError(`the status ${status} is not between 200 and 599`);
      if (RegExpPrototypeExec(/^[\t\x20-\x7e\x80-\xff]*$/, statusText) === null) {
        throw new TypeError('the status text has characters that are not allowed there');
      }
      const headers = newHeaders([], false);
      if (options.headers !== undefined) fillHeaders(headers, options.headers);
      let made = null;
      if (body !== undefined && body !== null) {
        if (ArrayPrototypeIncludes(NULL_BODY_STATUS, status)) throw new TypeError(`a response ${status} has no body`);
        made = bodyOf(body);
        addContentType(headers, made);
      }
      super();
      setBodyRecord(this, { __proto__: null, headers, body: made });
      this.#response = { __proto__: null, type: 'default', url: '', status, statusText, redirected: false };
    }

    static error() {
      return newResponse({ type: 'error', url: '', status: 0, statusText: '', redirected: false }, [], null);
    }

    static json(data, init) {
      needArguments(arguments.length, 1, 'Response.json');
      const text = JSONStringify(data);
      if (text === undefined) throw new TypeError('the value is no JSON data');
      const response = new Response(text, init);
      const headers = bodyRecord(response).headers;
      const list = listOfHeaders(headers);
      const given = toDictionary(init, 'the options of a Response').headers;
      const isGiven = given !== undefined && hasContentType(listOfHeaders(new Headers(given)));
      for (let i = 0; !isGiven && i < list.length; i++) {
        if (list[i].name === 'content-type') list[i].value = 'application/json';
      }
      return response;
    }

    static redirect(url, status = 302) {
      needArguments(arguments.length, 1, 'Response.redirect');
      const location = native(OP_URL_PARSE, toUSVString(url), undefined);
      if (location === undefined) throw new TypeError('the URL of a redirect must be absolute and valid');
      const code = MathTrunc(+status);
      if (!ArrayPrototypeIncludes([301, 302, 303, 307, 308], code)) throw new RangeError(`${code} is not a redirect`);
      return newResponse({ type: 'default', url: '', status: code, statusText: '', redirected: false },
        [['location', location]], null);
    }

    get type() { return this.#response.type; }
    get url() { return this.#response.url; }
    get redirected() { return this.#response.redirected; }
    get status() { return this.#response.status; }
    get ok() { return this.#response.status >= 200 && this.#response.status <= 299; }
    get statusText() { return this.#response.statusText; }

    clone() {
      const record = bodyRecord(this);
      if (isUsed(record.body) || isLocked(record.body)) throw new TypeError('the body was used already');
      return newResponse({ ...this.#response }, listOfHeaders(record.headers), cloneBody(record.body));
    }

    static {
      isResponse = (value) => isObject(value) && #response in value;
      newResponse = (response, pairs, body) => new Response(key, {
        response: { __proto__: null, ...response },
        record: { __proto__: null, headers: newHeaders(pairs, response.type !== 'default' || response.status === 0), body },
      });
    }
  }
  addMixin(Response);
  interfaceTag(Response, 'Response');

  function failed(error) {
    const message = isObject(error) && typeof error.message === 'string' ? error.message : `${error}`;
    const made = new TypeError(`fetch failed: ${message}`, { cause: error });
    // The host's errors say which capability is missing and how to ask for it.
    if (isObject(error)) {
      const names = ['code', 'capability', 'hint'];
      for (let i = 0; i < names.length; i++) if (error[names[i]] !== undefined) ownProperty(made, names[i], error[names[i]]);
    }
    return made;
  }

  // Fragments are not sent, and no response has one (https://fetch.spec.whatwg.org/#dom-response-url).
  function withoutFragment(url) {
    const at = StringPrototypeIndexOf(url, '#');
    return at < 0 ? url : StringPrototypeSlice(url, 0, at);
  }

  // What the host takes as the arguments of one call, in base64 and with some room for the rest.
  const MAX_BODY = 6000000;
  // The host knows a request by its number.
  let count = 0;

  /** A body that the host holds: read when somebody reads it. */
  function streamed(id, forget) {
    const fed = loadReadable().newStream({
      __proto__: null,
      pull: () => PromisePrototypeThen(hostCall('fetch.read', { __proto__: null, id }), (data) => {
        if (data === null) forget();
        if (!fed.canTake()) return;
        if (data === null) fed.close();
        else fed.enqueue(Uint8ArrayFromBase64(data));
      }, (error) => {
        forget();
        throw failed(error);
      }),
      cancel() {
        forget();
        return call('fetch.cancel', () => ({ id }));
      },
    }, 0);
    return fed;
  }

  async function fetch(input, init = undefined) {
    needArguments(arguments.length, 1, 'fetch');
    const request = new Request(input, init);
    const { url, method, redirect, signal } = requestOf(request);
    const record = bodyRecord(request);
    if (signal !== null && isAborted(signal)) throw reasonOf(signal);
    if (redirect === 'manual') throw failed('redirects are followed by the host, "manual" is not supported');
    const list = listOfHeaders(record.headers);
    const headers = [];
    for (let i = 0; i < list.length; i++) ArrayPrototypePush(headers, [list[i].name, list[i].value]);
    const id = ++count;
    const args = { __proto__: null, url: withoutFragment(url), method, headers, id };
    if (record.body !== null) args.body = Uint8ArrayPrototypeToBase64(await consume(record.body, MAX_BODY));
    if (signal !== null && isAborted(signal)) throw reasonOf(signal);
    const { promise, resolve, reject } = PromiseWithResolvers();
    let fed;
    const cancel = () => handled(call('fetch.cancel', () => ({ id })));
    const forget = signal === null ? nothing : onAbort(signal, () => {
      reject(reasonOf(signal));
      if (fed !== undefined) fed.fail(reasonOf(signal));
      cancel();
    });
    try {
      PromisePrototypeThen(hostCall('fetch', args), resolve, (error) => reject(failed(error)));
    } catch (error) {
      reject(failed(error));
    }
    let answer;
    let isOpen = false;
    try {
      answer = { __proto__: null, ...await promise };
      isOpen = answer.stream === true;
    } finally {
      if (!isOpen) forget();
    }
    const isRefused = redirect === 'error' && answer.redirected;
    const hasBody = method !== 'HEAD' && !ArrayPrototypeIncludes(NULL_BODY_STATUS, answer.status) &&
      (isOpen || (answer.body !== undefined && answer.body !== null));
    if (isOpen && (isRefused || !hasBody)) {
      forget();
      cancel();
    }
    if (isRefused) throw failed('the answer was redirected');
    if (isOpen && hasBody) fed = streamed(id, forget);
    return newResponse({
      type: 'basic', url: withoutFragment(answer.url), status: answer.status, statusText: answer.statusText ?? '',
      redirected: !!answer.redirected,
    }, answer.headers, hasBody
      ? {
        __proto__: null, bytes: isOpen ? undefined : Uint8ArrayFromBase64(answer.body), stream: fed?.stream, used: false,
        type: null,
      }
      : null);
  }

  return { Request, Response, fetch };
});

lazyGlobals(loadFetch, ['Request', 'Response', 'fetch']);
