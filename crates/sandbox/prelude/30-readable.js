// ReadableStream (https://streams.spec.whatwg.org/#rs), with default readers. Streams of type "bytes" are taken and read
// by default readers as well; readers that bring their own buffer are not there.

let isReadableStream = isNone;

/** Makes a strategy's `size` and `highWaterMark`, with the checks that the standard asks for. */
function strategyOf(strategy, defaultMark) {
  const given = toDictionary(strategy, 'the strategy');
  const size = given.size;
  if (size !== undefined && typeof size !== 'function') throw new TypeError('the size must be a function');
  let mark = given.highWaterMark;
  mark = mark === undefined ? defaultMark : +mark;
  if (!(mark >= 0)) throw new RangeError('the high-water mark must be a number that is not negative');
  return { size, mark };
}

/** A method of an underlying source, sink or transformer: undefined or a function. */
function algorithmOf(object, name) {
  const method = object[name];
  if (method === undefined) return undefined;
  if (typeof method !== 'function') throw new TypeError(`${name} must be a function`);
  return method;
}

/** Calls it and gives a promise of what it gives. */
function callForPromise(method, self, args) {
  if (method === undefined) return PromiseResolve();
  try {
    return PromiseResolve(ReflectApply(method, self, args));
  } catch (error) {
    return PromiseReject(error);
  }
}

/** A promise that may be rejected without anybody listening. */
function handled(promise) {
  PromisePrototypeThen(promise, undefined, () => {});
  return promise;
}

const nothing = () => {};

const loadReadable = once(() => {
  const key = {};
  // What a stream is, without its methods: the operations below work on these records, so nothing that a plugin does to
  // the prototypes reaches them. state: 'readable' | 'closed' | 'errored'.
  let recordOf;
  let recordOfController;

  function newRecord(source, sourceObject, strategy) {
    const record = {
      __proto__: null,
      state: 'readable', error: undefined, disturbed: false, reader: undefined, stream: undefined,
      queue: [], total: 0, mark: strategy.mark, size: strategy.size,
      started: false, closeRequested: false, pulling: false, pullAgain: false, isBytes: false,
      pull: source.pull, cancel: source.cancel, self: sourceObject, controller: undefined,
    };
    return record;
  }

  function start(record, method, args) {
    // Errors of `start` reach whoever makes the stream.
    const result = method === undefined ? undefined : ReflectApply(method, record.self, args);
    PromisePrototypeThen(PromiseResolve(result), () => {
      record.started = true;
      pullIfNeeded(record);
    }, (error) => fail(record, error));
  }

  function desiredSize(record) {
    if (record.state === 'errored') return null;
    return record.state === 'closed' ? 0 : record.mark - record.total;
  }

  function canTake(record) {
    return record.state === 'readable' && !record.closeRequested;
  }

  function pullIfNeeded(record) {
    if (!canTake(record) || !record.started || record.pull === undefined) return;
    const isWanted = (record.reader !== undefined && record.reader.requests.length > 0) || desiredSize(record) > 0;
    if (!isWanted) return;
    if (record.pulling) {
      record.pullAgain = true;
      return;
    }
    record.pulling = true;
    PromisePrototypeThen(callForPromise(record.pull, record.self, [record.controller]), () => {
      record.pulling = false;
      if (record.pullAgain) {
        record.pullAgain = false;
        pullIfNeeded(record);
      }
    }, (error) => fail(record, error));
  }

  function enqueue(record, chunk) {
    if (!canTake(record)) throw new TypeError('the stream is closed');
    const requests = record.reader === undefined ? undefined : record.reader.requests;
    if (requests !== undefined && requests.length > 0) {
      ArrayPrototypeShift(requests).chunk(chunk);
    } else {
      let size = 1;
      if (record.isBytes) {
        size = TypedArrayPrototypeGetByteLength(chunk);
      } else if (record.size !== undefined) {
        try {
          size = +ReflectApply(record.size, undefined, [chunk]);
          if (!(size >= 0 && size < Infinity)) throw new RangeError('the size of a chunk must be finite and not negative');
        } catch (error) {
          fail(record, error);
          throw error;
        }
      }
      ArrayPrototypePush(record.queue, { chunk, size });
      record.total += size;
    }
    pullIfNeeded(record);
  }

  function close(record) {
    if (!canTake(record)) throw new TypeError('the stream is closed');
    record.closeRequested = true;
    if (record.queue.length === 0) finish(record);
  }

  function finish(record) {
    record.state = 'closed';
    record.pull = record.cancel = record.size = undefined;
    const reader = record.reader;
    if (reader === undefined) return;
    reader.closed.resolve();
    const requests = reader.requests;
    reader.requests = [];
    for (let i = 0; i < requests.length; i++) requests[i].close();
  }

  function fail(record, error) {
    if (record.state !== 'readable') return;
    record.state = 'errored';
    record.error = error;
    record.queue = [];
    record.total = 0;
    record.pull = record.cancel = record.size = undefined;
    const reader = record.reader;
    if (reader === undefined) return;
    handled(reader.closed.promise);
    reader.closed.reject(error);
    const requests = reader.requests;
    reader.requests = [];
    for (let i = 0; i < requests.length; i++) requests[i].error(error);
  }

  function cancel(record, reason) {
    record.disturbed = true;
    if (record.state === 'closed') return PromiseResolve();
    if (record.state === 'errored') return PromiseReject(record.error);
    const method = record.cancel;
    const self = record.self;
    finish(record);
    record.queue = [];
    record.total = 0;
    return PromisePrototypeThen(callForPromise(method, self, [reason]), nothing);
  }

  /** Reads one chunk: calls `request.chunk(value)`, `request.close()` or `request.error(error)`. */
  function read(record, request) {
    record.disturbed = true;
    if (record.state === 'errored') {
      request.error(record.error);
    } else if (record.queue.length > 0) {
      const { chunk, size } = ArrayPrototypeShift(record.queue);
      record.total = MathMax(0, record.total - size);
      if (record.queue.length === 0) record.total = 0;
      if (record.closeRequested && record.queue.length === 0) finish(record);
      else pullIfNeeded(record);
      request.chunk(chunk);
    } else if (record.state === 'closed') {
      request.close();
    } else {
      ArrayPrototypePush(record.reader.requests, request);
      pullIfNeeded(record);
    }
  }

  function readPromise(record) {
    const { promise, resolve, reject } = PromiseWithResolvers();
    read(record, {
      chunk: (value) => resolve({ value, done: false }),
      close: () => resolve({ value: undefined, done: true }),
      error: reject,
    });
    return promise;
  }

  function acquire(record) {
    if (record.reader !== undefined) throw new TypeError('the stream is locked to a reader');
    const reader = { __proto__: null, stream: record, requests: [], closed: PromiseWithResolvers() };
    record.reader = reader;
    if (record.state === 'closed') reader.closed.resolve();
    if (record.state === 'errored') {
      handled(reader.closed.promise);
      reader.closed.reject(record.error);
    }
    return reader;
  }

  function release(reader) {
    const record = reader.stream;
    if (record === undefined) return;
    const error = new TypeError('the reader was released');
    if (record.state !== 'readable') reader.closed = PromiseWithResolvers();
    handled(reader.closed.promise);
    reader.closed.reject(error);
    record.reader = reader.stream = undefined;
    const requests = reader.requests;
    reader.requests = [];
    for (let i = 0; i < requests.length; i++) requests[i].error(error);
  }

  class ReadableStreamDefaultController {
    #record;

    constructor(secret, record) {
      if (secret !== key) throw new TypeError('Illegal constructor');
      this.#record = record;
    }

    get desiredSize() { return desiredSize(this.#record); }
    close() { close(this.#record); }
    enqueue(chunk) { enqueue(this.#record, chunk); }
    error(error) { fail(this.#record, error); }

    static {
      recordOfController = (controller) => controller.#record;
    }
  }
  interfaceTag(ReadableStreamDefaultController, 'ReadableStreamDefaultController');

  class ReadableByteStreamController {
    #record;

    constructor(secret, record) {
      if (secret !== key) throw new TypeError('Illegal constructor');
      this.#record = record;
    }

    // No reader brings a buffer of its own.
    get byobRequest() {
      this.#record;
      return null;
    }

    get desiredSize() { return desiredSize(this.#record); }
    close() { close(this.#record); }
    error(error) { fail(this.#record, error); }

    enqueue(chunk) {
      if (!isObject(chunk) || !ArrayBufferIsView(chunk)) throw new TypeError('a byte stream takes views on ArrayBuffers');
      const bytes = bytesOf(chunk, 'the chunk');
      const length = TypedArrayPrototypeGetLength(bytes);
      if (length === 0) throw new TypeError('a byte stream takes no empty chunks');
      if (!canTake(this.#record)) throw new TypeError('the stream is closed');
      const offset = TypedArrayPrototypeGetByteOffset(bytes);
      const buffer = ArrayBufferPrototypeTransferToFixedLength(TypedArrayPrototypeGetBuffer(bytes));
      enqueue(this.#record, new Uint8Array(buffer, offset, length));
    }
  }
  interfaceTag(ReadableByteStreamController, 'ReadableByteStreamController');

  class ReadableStream {
    #record;

    constructor(source, strategy) {
      if (source === key) {
        this.#record = strategy;
        strategy.stream = this;
        return;
      }
      if (source !== undefined && !isObject(source)) throw new TypeError('the source must be an object');
      const from = toDictionary(source, 'the source');
      const type = from.type;
      const isBytes = type !== undefined && `${type}` === 'bytes';
      if (type !== undefined && !isBytes) throw new TypeError('the type of a source is "bytes" or undefined');
      const plan = strategyOf(strategy, isBytes ? 0 : 1);
      if (isBytes && plan.size !== undefined) throw new RangeError('a byte stream has no size function');
      const methods = { pull: algorithmOf(from, 'pull'), cancel: algorithmOf(from, 'cancel') };
      const startMethod = algorithmOf(from, 'start');
      const record = newRecord(methods, source, plan);
      record.isBytes = isBytes;
      record.stream = this;
      record.controller = isBytes
        ? new ReadableByteStreamController(key, record)
        : new ReadableStreamDefaultController(key, record);
      this.#record = record;
      start(record, startMethod, [record.controller]);
    }

    static from(iterable) {
      if (iterable === undefined || iterable === null) throw new TypeError('it is not iterable');
      let method = iterable[SymbolAsyncIterator];
      if (method === undefined || method === null) method = iterable[SymbolIterator];
      if (typeof method !== 'function') throw new TypeError('it is not iterable');
      const iterator = ReflectApply(method, iterable, []);
      if (!isObject(iterator)) throw new TypeError('the iterator must be an object');
      const next = iterator.next;
      return new ReadableStream({
        __proto__: null,
        async pull(controller) {
          const step = await ReflectApply(next, iterator, []);
          if (!isObject(step)) throw new TypeError("the iterator's answer must be an object");
          const record = recordOfController(controller);
          if (step.done) close(record);
          else enqueue(record, await step.value);
        },
        async cancel(reason) {
          const end = iterator.return;
          if (end === undefined || end === null) return;
          const result = await ReflectApply(end, iterator, [reason]);
          if (!isObject(result)) throw new TypeError("the iterator's answer must be an object");
        },
      }, { __proto__: null, highWaterMark: 0 });
    }

    get locked() { return this.#record.reader !== undefined; }

    cancel(reason) {
      try {
        const record = this.#record;
        if (record.reader !== undefined) throw new TypeError('the stream is locked to a reader');
        return cancel(record, reason);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    getReader(options) {
      this.#record;
      const mode = toDictionary(options, 'the options of getReader').mode;
      if (mode === undefined) return new ReadableStreamDefaultReader(this);
      if (`${mode}` !== 'byob') throw new TypeError('the mode of a reader is "byob" or undefined');
      throw new TypeError('readers that bring their own buffer are not supported');
    }

    pipeThrough(transform, options) {
      this.#record;
      needArguments(arguments.length, 1, 'pipeThrough');
      if (!isObject(transform)) throw new TypeError('pipeThrough takes an object with readable and writable');
      const readable = transform.readable;
      if (!isReadableStream(readable)) throw new TypeError('readable must be a ReadableStream');
      const writable = transform.writable;
      if (this.#record.reader !== undefined) throw new TypeError('the stream is locked to a reader');
      handled(loadPipe().pipe(this, writable, options));
      return readable;
    }

    pipeTo(destination, options) {
      try {
        if (this.#record.reader !== undefined) throw new TypeError('the stream is locked to a reader');
        return loadPipe().pipe(this, destination, options);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    tee() { return tee(this.#record); }

    values(options) {
      const record = this.#record;
      const preventCancel = !!toDictionary(options, 'the options of values').preventCancel;
      return iterate(record, acquire(record), preventCancel);
    }

    static {
      recordOf = (stream) => stream.#record;
      isReadableStream = (value) => isObject(value) && #record in value;
    }
  }
  dataProperty(ReadableStream.prototype, SymbolAsyncIterator, ReadableStream.prototype.values);
  interfaceTag(ReadableStream, 'ReadableStream');

  class ReadableStreamDefaultReader {
    #reader;

    constructor(stream) {
      if (!isReadableStream(stream)) throw new TypeError('a reader reads a ReadableStream');
      this.#reader = acquire(recordOf(stream));
    }

    get closed() {
      try {
        return this.#reader.closed.promise;
      } catch (error) {
        return PromiseReject(error);
      }
    }

    read() {
      try {
        if (this.#reader.stream === undefined) throw new TypeError('the reader was released');
        return readPromise(this.#reader.stream);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    cancel(reason) {
      try {
        if (this.#reader.stream === undefined) throw new TypeError('the reader was released');
        return cancel(this.#reader.stream, reason);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    releaseLock() { release(this.#reader); }
  }
  interfaceTag(ReadableStreamDefaultReader, 'ReadableStreamDefaultReader');

  function iterate(record, reader, preventCancel) {
    let last;
    let isDone = false;
    // One step after the other, however many were asked for at once.
    const queued = (step) => {
      last = last === undefined ? step() : PromisePrototypeThen(last, step, step);
      return last;
    };
    const end = () => {
      isDone = true;
      release(reader);
    };
    const iterator = ObjectCreate(AsyncIteratorPrototype);
    dataProperty(iterator, 'next', () => queued(() => {
      if (isDone) return PromiseResolve({ value: undefined, done: true });
      return PromisePrototypeThen(readPromise(record), (step) => {
        if (step.done) end();
        return step;
      }, (error) => {
        end();
        throw error;
      });
    }));
    dataProperty(iterator, 'return', (value) => queued(() => {
      if (isDone) return PromiseResolve({ value, done: true });
      const canceled = preventCancel ? PromiseResolve() : cancel(record, value);
      end();
      return PromisePrototypeThen(canceled, () => ({ value, done: true }));
    }));
    return iterator;
  }

  function tee(record) {
    const reader = acquire(record);
    const branches = [];
    const canceled = [undefined, undefined];
    const done = PromiseWithResolvers();
    let reading = false;
    let readAgain = false;
    let isFinished = false;
    const pull = () => {
      if (reading) {
        readAgain = true;
        return;
      }
      reading = true;
      read(record, {
        chunk(chunk) {
          PromisePrototypeThen(PromiseResolve(), () => {
            readAgain = false;
            for (let i = 0; i < 2; i++) {
              // Branches of a byte stream share no memory.
              const own = record.isBytes && i === 1 ? copyBytes(chunk) : chunk;
              if (canceled[i] === undefined && canTake(branches[i])) enqueue(branches[i], own);
            }
            reading = false;
            if (readAgain) pull();
          });
        },
        close() {
          reading = false;
          isFinished = true;
          for (let i = 0; i < 2; i++) if (canceled[i] === undefined && canTake(branches[i])) close(branches[i]);
          if (canceled[0] === undefined || canceled[1] === undefined) done.resolve();
        },
        error() {
          reading = false;
        },
      });
    };
    for (let i = 0; i < 2; i++) {
      const branch = newRecord({
        pull,
        cancel(reason) {
          canceled[i] = { reason };
          if (canceled[1 - i] !== undefined && !isFinished) {
            done.resolve(cancel(record, [canceled[0].reason, canceled[1].reason]));
          }
          return done.promise;
        },
      }, undefined, { size: undefined, mark: 1 });
      branch.isBytes = record.isBytes;
      if (record.isBytes) branch.mark = 0;
      ArrayPrototypePush(branches, branch);
    }
    const streams = [new ReadableStream(key, branches[0]), new ReadableStream(key, branches[1])];
    start(branches[0], undefined, []);
    start(branches[1], undefined, []);
    PromisePrototypeThen(reader.closed.promise, undefined, (error) => {
      fail(branches[0], error);
      fail(branches[1], error);
      if (canceled[0] === undefined || canceled[1] === undefined) done.resolve();
    });
    return streams;
  }

  /** A stream that the prelude itself feeds: gives it with `enqueue`, `close` and `fail` of its own. */
  function newStream(source, mark, size) {
    const record = newRecord(source, undefined, { mark, size });
    const stream = new ReadableStream(key, record);
    record.controller = new ReadableStreamDefaultController(key, record);
    start(record, undefined, []);
    return {
      __proto__: null,
      stream,
      desiredSize: () => desiredSize(record),
      canTake: () => canTake(record),
      enqueue: (chunk) => enqueue(record, chunk),
      close: () => close(record),
      fail: (error) => fail(record, error),
      error: () => record.error,
      state: () => record.state,
    };
  }

  return {
    ReadableStream, ReadableStreamDefaultReader, ReadableStreamDefaultController, ReadableByteStreamController,
    recordOf, acquire, release, read, cancel, newStream, tee,
  };
});

lazyGlobals(loadReadable, [
  'ReadableStream', 'ReadableStreamDefaultReader', 'ReadableStreamDefaultController', 'ReadableByteStreamController',
]);
