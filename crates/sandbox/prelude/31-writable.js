// WritableStream (https://streams.spec.whatwg.org/#ws), piping, and the two queuing strategies.

const loadWritable = once(() => {
  const key = {};
  let recordOf;

  // state: 'writable' | 'erroring' | 'errored' | 'closed'
  function newRecord(sink, self, strategy) {
    return {
      __proto__: null,
      state: 'writable', error: undefined, writer: undefined, backpressure: false,
      queue: [], total: 0, mark: strategy.mark, size: strategy.size, started: false,
      // Requests, from the oldest: what `write` promised; `inFlight` is the one that the sink works on.
      inFlight: undefined, closing: undefined, closeInFlight: false, pendingAbort: undefined,
      write: sink.write, close: sink.close, abort: sink.abort, self,
      controller: undefined, signal: undefined,
    };
  }

  function start(record, method) {
    setBackpressure(record, desiredSize(record) <= 0);
    const result = method === undefined ? undefined : ReflectApply(method, record.self, [record.controller]);
    PromisePrototypeThen(PromiseResolve(result), () => {
      record.started = true;
      advance(record);
    }, (error) => {
      record.started = true;
      deal(record, error);
    });
  }

  function desiredSize(record) {
    if (record.state === 'errored' || record.state === 'erroring') return null;
    return record.state === 'closed' ? 0 : record.mark - record.total;
  }

  function setBackpressure(record, isOn) {
    const writer = record.writer;
    if (writer !== undefined && isOn !== record.backpressure) {
      if (isOn) writer.ready = PromiseWithResolvers();
      else writer.ready.resolve();
    }
    record.backpressure = isOn;
  }

  function isClosing(record) {
    return record.closing !== undefined;
  }

  function write(record, chunk) {
    let size = 1;
    if (record.size !== undefined && record.state === 'writable') {
      try {
        size = +ReflectApply(record.size, undefined, [chunk]);
        if (!(size >= 0 && size < Infinity)) throw new RangeError('the size of a chunk must be finite and not negative');
      } catch (error) {
        startErroring(record, error);
        return PromiseReject(error);
      }
    }
    if (record.state === 'errored') return PromiseReject(record.error);
    if (isClosing(record) || record.state === 'closed') return PromiseReject(new TypeError('the stream is closed'));
    if (record.state === 'erroring') return PromiseReject(record.error);
    const request = PromiseWithResolvers();
    ArrayPrototypePush(record.queue, { chunk, size, request });
    record.total += size;
    setBackpressure(record, desiredSize(record) <= 0);
    advance(record);
    return request.promise;
  }

  function close(record) {
    if (record.state === 'closed' || record.state === 'errored') {
      return PromiseReject(new TypeError('the stream is closed'));
    }
    if (isClosing(record)) return PromiseReject(new TypeError('the stream is being closed'));
    record.closing = PromiseWithResolvers();
    if (record.writer !== undefined && record.backpressure && record.state === 'writable') record.writer.ready.resolve();
    advance(record);
    return record.closing.promise;
  }

  function abort(record, reason) {
    if (record.state === 'closed' || record.state === 'errored') return PromiseResolve();
    loadAbort().abort(record.signal, reason);
    if (record.state === 'closed' || record.state === 'errored') return PromiseResolve();
    if (record.pendingAbort !== undefined) return record.pendingAbort.promise;
    const wasErroring = record.state === 'erroring';
    record.pendingAbort = { __proto__: null, ...PromiseWithResolvers(), reason, wasErroring };
    const promise = record.pendingAbort.promise;
    if (!wasErroring) startErroring(record, reason);
    return promise;
  }

  function startErroring(record, error) {
    if (record.state !== 'writable') return;
    record.state = 'erroring';
    record.error = error;
    const writer = record.writer;
    if (writer !== undefined) rejectReady(writer, error);
    if (record.inFlight === undefined && !record.closeInFlight && record.started) finishErroring(record);
  }

  function rejectReady(writer, error) {
    const ready = writer.ready;
    ready.reject(error);
    // One that was fulfilled already is replaced by a rejected one.
    writer.ready = PromiseWithResolvers();
    writer.ready.reject(error);
    handled(ready.promise);
    handled(writer.ready.promise);
  }

  function deal(record, error) {
    if (record.state === 'writable') startErroring(record, error);
    else if (record.state === 'erroring') finishErroring(record);
  }

  function finishErroring(record) {
    if (record.state !== 'erroring') return;
    record.state = 'errored';
    const queue = record.queue;
    record.queue = [];
    record.total = 0;
    for (let i = 0; i < queue.length; i++) queue[i].request.reject(record.error);
    const pending = record.pendingAbort;
    if (pending === undefined) {
      settleErrored(record);
      return;
    }
    record.pendingAbort = undefined;
    if (pending.wasErroring) {
      pending.reject(record.error);
      settleErrored(record);
      return;
    }
    const method = record.abort;
    PromisePrototypeThen(callForPromise(method, record.self, [pending.reason]), () => {
      pending.resolve();
      settleErrored(record);
    }, (error) => {
      pending.reject(error);
      settleErrored(record);
    });
  }

  function settleErrored(record) {
    if (record.closing !== undefined && !record.closeInFlight) {
      record.closing.reject(record.error);
      record.closing = undefined;
    }
    if (record.writer !== undefined) {
      handled(record.writer.closed.promise);
      record.writer.closed.reject(record.error);
    }
  }

  function advance(record) {
    if (!record.started || record.inFlight !== undefined || record.closeInFlight) return;
    if (record.state === 'erroring') {
      finishErroring(record);
      return;
    }
    if (record.state !== 'writable') return;
    if (record.queue.length > 0) {
      const item = record.queue[0];
      record.inFlight = item.request;
      PromisePrototypeThen(callForPromise(record.write, record.self, [item.chunk, record.controller]), () => {
        record.inFlight = undefined;
        item.request.resolve();
        if (record.state === 'erroring') {
          finishErroring(record);
          return;
        }
        ArrayPrototypeShift(record.queue);
        record.total = record.queue.length === 0 ? 0 : MathMax(0, record.total - item.size);
        if (!isClosing(record)) setBackpressure(record, desiredSize(record) <= 0);
        advance(record);
      }, (error) => {
        record.inFlight = undefined;
        ArrayPrototypeShift(record.queue);
        item.request.reject(error);
        deal(record, error);
      });
    } else if (isClosing(record)) {
      record.closeInFlight = true;
      PromisePrototypeThen(callForPromise(record.close, record.self, []), () => {
        record.closeInFlight = false;
        record.closing.resolve();
        record.state = 'closed';
        if (record.pendingAbort !== undefined) record.pendingAbort.resolve();
        record.pendingAbort = undefined;
        if (record.writer !== undefined) record.writer.closed.resolve();
      }, (error) => {
        record.closeInFlight = false;
        record.closing.reject(error);
        record.closing = undefined;
        if (record.pendingAbort !== undefined) record.pendingAbort.reject(error);
        record.pendingAbort = undefined;
        deal(record, error);
      });
    }
  }

  function acquire(record) {
    if (record.writer !== undefined) throw new TypeError('the stream is locked to a writer');
    const writer = { __proto__: null, stream: record, closed: PromiseWithResolvers(), ready: PromiseWithResolvers() };
    record.writer = writer;
    if (record.state === 'writable') {
      if (isClosing(record) || !record.backpressure) writer.ready.resolve();
    } else if (record.state === 'closed') {
      writer.ready.resolve();
      writer.closed.resolve();
    } else {
      rejectReady(writer, record.error);
      if (record.state === 'errored') {
        handled(writer.closed.promise);
        writer.closed.reject(record.error);
      }
    }
    return writer;
  }

  function release(writer) {
    const record = writer.stream;
    if (record === undefined) return;
    const error = new TypeError('the writer was released');
    rejectReady(writer, error);
    if (record.state === 'closed' || record.state === 'errored') writer.closed = PromiseWithResolvers();
    handled(writer.closed.promise);
    writer.closed.reject(error);
    writer.stream = record.writer = undefined;
  }

  class WritableStreamDefaultController {
    #record;

    constructor(secret, record) {
      if (secret !== key) throw new TypeError('Illegal constructor');
      this.#record = record;
    }

    get signal() { return this.#record.signal; }
    error(error) { startErroring(this.#record, error); }
  }
  interfaceTag(WritableStreamDefaultController, 'WritableStreamDefaultController');

  class WritableStream {
    #record;

    constructor(sink, strategy) {
      if (sink !== undefined && !isObject(sink)) throw new TypeError('the sink must be an object');
      const to = toDictionary(sink, 'the sink');
      if (to.type !== undefined) throw new RangeError('sinks have no type');
      const methods = { write: algorithmOf(to, 'write'), close: algorithmOf(to, 'close'), abort: algorithmOf(to, 'abort') };
      const startMethod = algorithmOf(to, 'start');
      const record = newRecord(methods, sink, strategyOf(strategy, 1));
      record.controller = new WritableStreamDefaultController(key, record);
      record.signal = loadAbort().make();
      this.#record = record;
      start(record, startMethod);
    }

    get locked() { return this.#record.writer !== undefined; }

    abort(reason) {
      try {
        if (this.#record.writer !== undefined) throw new TypeError('the stream is locked to a writer');
        return abort(this.#record, reason);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    close() {
      try {
        if (this.#record.writer !== undefined) throw new TypeError('the stream is locked to a writer');
        return close(this.#record);
      } catch (error) {
        return PromiseReject(error);
      }
    }

    getWriter() {
      this.#record;
      return new WritableStreamDefaultWriter(this);
    }

    static {
      recordOf = (stream) => {
        if (!isObject(stream) || !(#record in stream)) throw new TypeError('it must be a WritableStream');
        return stream.#record;
      };
    }
  }
  interfaceTag(WritableStream, 'WritableStream');

  class WritableStreamDefaultWriter {
    #writer;

    constructor(stream) {
      this.#writer = acquire(recordOf(stream));
    }

    get closed() {
      try {
        return this.#writer.closed.promise;
      } catch (error) {
        return PromiseReject(error);
      }
    }

    get ready() {
      try {
        return this.#writer.ready.promise;
      } catch (error) {
        return PromiseReject(error);
      }
    }

    get desiredSize() { return desiredSize(this.#stream()); }
    write(chunk) { return this.#promised((stream) => write(stream, chunk)); }
    close() { return this.#promised(close); }
    abort(reason) { return this.#promised((stream) => abort(stream, reason)); }
    releaseLock() { release(this.#writer); }

    #stream() {
      if (this.#writer.stream === undefined) throw new TypeError('the writer was released');
      return this.#writer.stream;
    }

    #promised(steps) {
      try {
        return steps(this.#stream());
      } catch (error) {
        return PromiseReject(error);
      }
    }
  }
  interfaceTag(WritableStreamDefaultWriter, 'WritableStreamDefaultWriter');

  return {
    WritableStream, WritableStreamDefaultWriter, WritableStreamDefaultController,
    recordOf, acquire, release, write, close, abort, startErroring, desiredSize,
  };
});

const loadPipe = once(() => {
  const readable = loadReadable();
  const writable = loadWritable();

  // https://streams.spec.whatwg.org/#readable-stream-pipe-to
  function pipe(from, to, options) {
    const source = readable.recordOf(from);
    const destination = writable.recordOf(to);
    const given = toDictionary(options, 'the options of a pipe');
    const preventAbort = !!given.preventAbort;
    const preventCancel = !!given.preventCancel;
    const preventClose = !!given.preventClose;
    const signal = given.signal;
    if (signal !== undefined && !isAbortSignal(signal)) throw new TypeError('the signal must be an AbortSignal');
    if (destination.writer !== undefined) throw new TypeError('the stream is locked to a writer');
    const reader = readable.acquire(source);
    const writer = writable.acquire(destination);
    source.disturbed = true;
    const result = PromiseWithResolvers();
    let isShuttingDown = false;
    let lastWrite = PromiseResolve();
    let forget = nothing;

    function shutdown(action, hasError, error) {
      if (isShuttingDown) return;
      isShuttingDown = true;
      const finish = (failed, reason) => {
        forget();
        writable.release(writer);
        readable.release(reader);
        if (failed) result.reject(reason);
        else result.resolve();
      };
      const act = () => {
        if (action === undefined) return finish(hasError, error);
        return PromisePrototypeThen(action(), () => finish(hasError, error), (reason) => finish(true, reason));
      };
      // What was read is written before the end.
      if (destination.state === 'writable' && destination.closing === undefined) {
        PromisePrototypeThen(lastWrite, act, act);
      } else {
        act();
      }
    }

    if (signal !== undefined) {
      const onAborted = () => {
        const error = reasonOf(signal);
        shutdown(() => {
          const first = preventAbort || destination.state !== 'writable'
            ? PromiseResolve() : writable.abort(destination, error);
          const second = preventCancel || source.state !== 'readable'
            ? PromiseResolve() : readable.cancel(source, error);
          handled(second);
          return PromisePrototypeThen(first, () => second);
        }, true, error);
      };
      if (isAborted(signal)) {
        onAborted();
        return result.promise;
      }
      forget = onAbort(signal, onAborted);
    }

    PromisePrototypeThen(reader.closed.promise, () => {
      if (source.state !== 'closed') return;
      shutdown(preventClose ? undefined : () => {
        if (destination.closing !== undefined || destination.state === 'closed') return PromiseResolve();
        if (destination.state === 'errored') return PromiseReject(destination.error);
        return writable.close(destination);
      }, false);
    }, (error) => {
      if (source.state !== 'errored') return;
      shutdown(preventAbort ? undefined : () => writable.abort(destination, error), true, error);
    });

    PromisePrototypeThen(writer.closed.promise, () => {
      if (isShuttingDown) return;
      const error = new TypeError('the destination is closed');
      shutdown(preventCancel ? undefined : () => readable.cancel(source, error), true, error);
    }, (error) => {
      if (isShuttingDown) return;
      shutdown(preventCancel ? undefined : () => readable.cancel(source, error), true, error);
    });

    function step() {
      if (isShuttingDown) return;
      if (destination.state !== 'writable' || destination.closing !== undefined) {
        if (destination.state === 'closed' || destination.closing !== undefined) {
          const error = new TypeError('the destination is closed');
          shutdown(preventCancel ? undefined : () => readable.cancel(source, error), true, error);
        }
        return;
      }
      if (writable.desiredSize(destination) <= 0) {
        PromisePrototypeThen(writer.ready.promise, step, nothing);
        return;
      }
      readable.read(source, {
        chunk(chunk) {
          // After this task, so that a pipe and a reader see chunks at the same time.
          PromisePrototypeThen(PromiseResolve(), () => {
            lastWrite = handled(writable.write(destination, chunk));
            step();
          });
        },
        close: nothing,
        error: nothing,
      });
    }
    step();
    return result.promise;
  }

  return { pipe };
});

const loadStrategies = once(() => {
  function markOf(init) {
    if (!isObject(init) || init.highWaterMark === undefined) throw new TypeError('highWaterMark is required');
    return +init.highWaterMark;
  }
  const byteSize = { size: (chunk) => chunk.byteLength }.size;
  const countSize = { size: () => 1 }.size;

  class ByteLengthQueuingStrategy {
    #mark;

    constructor(init) { this.#mark = markOf(init); }
    get highWaterMark() { return this.#mark; }
    get size() {
      this.#mark;
      return byteSize;
    }
  }
  interfaceTag(ByteLengthQueuingStrategy, 'ByteLengthQueuingStrategy');

  class CountQueuingStrategy {
    #mark;

    constructor(init) { this.#mark = markOf(init); }
    get highWaterMark() { return this.#mark; }
    get size() {
      this.#mark;
      return countSize;
    }
  }
  interfaceTag(CountQueuingStrategy, 'CountQueuingStrategy');

  return { ByteLengthQueuingStrategy, CountQueuingStrategy };
});

lazyGlobals(loadWritable, ['WritableStream', 'WritableStreamDefaultWriter', 'WritableStreamDefaultController']);
lazyGlobals(loadStrategies, ['ByteLengthQueuingStrategy', 'CountQueuingStrategy']);
