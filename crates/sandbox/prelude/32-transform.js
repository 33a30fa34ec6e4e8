// TransformStream (https://streams.spec.whatwg.org/#ts), TextEncoderStream and TextDecoderStream.

const loadTransform = once(() => {
  const key = {};
  let enqueue;

  class TransformStreamDefaultController {
    #parts;

    constructor(secret, parts) {
      if (secret !== key) throw new TypeError('Illegal constructor');
      this.#parts = parts;
    }

    get desiredSize() { return this.#parts.output.desiredSize(); }
    enqueue(chunk) { this.#parts.enqueue(chunk); }
    error(error) { this.#parts.fail(error); }
    terminate() { this.#parts.terminate(); }

    static {
      enqueue = (controller, chunk) => controller.#parts.enqueue(chunk);
    }
  }
  interfaceTag(TransformStreamDefaultController, 'TransformStreamDefaultController');

  /** Both ends of a transform; `methods` are functions of the prelude or of the plugin, called on `self`. */
  function newTransform(methods, self, writableStrategy, readableStrategy) {
    const { WritableStream, recordOf, startErroring } = loadWritable();
    let sink;
    let transformError;
    // Resolved when the readable end wants more.
    let wanted = PromiseWithResolvers();
    let isFull = true;
    const setFull = (full) => {
      if (full === isFull) return;
      isFull = full;
      if (full) wanted = PromiseWithResolvers();
      else wanted.resolve();
    };
    const output = loadReadable().newStream({
      __proto__: null,
      pull() {
        setFull(false);
        return undefined;
      },
      cancel(reason) {
        return PromisePrototypeThen(callForPromise(methods.cancel, self, [reason]), () => {
          startErroring(sink, reason);
          setFull(false);
        });
      },
    }, readableStrategy.mark, readableStrategy.size);
    const parts = {
      __proto__: null,
      output,
      enqueue(chunk) {
        if (!output.canTake()) throw new TypeError('the readable end is closed');
        try {
          output.enqueue(chunk);
        } catch (error) {
          failWritable(error);
          throw output.error();
        }
        if (output.desiredSize() <= 0) setFull(true);
      },
      fail(error) {
        output.fail(error);
        failWritable(error);
      },
      terminate() {
        if (output.canTake()) output.close();
        failWritable(new TypeError('the transform was terminated'));
      },
    };
    const failWritable = (error) => {
      transformError = { error };
      startErroring(sink, error);
      setFull(false);
    };
    const controller = new TransformStreamDefaultController(key, parts);
    const started = PromiseWithResolvers();
    const transform = (chunk) => {
      if (methods.transform === undefined) {
        try {
          parts.enqueue(chunk);
          return PromiseResolve();
        } catch (error) {
          return PromiseReject(error);
        }
      }
      return PromisePrototypeThen(callForPromise(methods.transform, self, [chunk, controller]), nothing, (error) => {
        parts.fail(error);
        throw error;
      });
    };
    const writable = new WritableStream({
      __proto__: null,
      start: () => started.promise,
      write(chunk) {
        if (!isFull) return transform(chunk);
        return PromisePrototypeThen(wanted.promise, () => {
          if (transformError !== undefined) throw transformError.error;
          if (sink.state === 'erroring') throw sink.error;
          return transform(chunk);
        });
      },
      close() {
        return PromisePrototypeThen(callForPromise(methods.flush, self, [controller]), () => {
          if (output.state() === 'errored') throw output.error();
          if (output.canTake()) output.close();
        }, (error) => {
          parts.fail(error);
          throw output.error();
        });
      },
      abort(reason) {
        return PromisePrototypeThen(callForPromise(methods.cancel, self, [reason]), () => output.fail(reason), (error) => {
          output.fail(error);
          throw error;
        });
      },
    }, { __proto__: null, highWaterMark: writableStrategy.mark, size: writableStrategy.size });
    sink = recordOf(writable);
    const result = methods.start === undefined ? undefined : ReflectApply(methods.start, self, [controller]);
    started.resolve(result);
    PromisePrototypeThen(started.promise, undefined, (error) => parts.fail(error));
    return { readable: output.stream, writable };
  }

  class TransformStream {
    #ends;

    constructor(transformer, writableStrategy, readableStrategy) {
      if (transformer !== undefined && !isObject(transformer)) throw new TypeError('the transformer must be an object');
      const from = toDictionary(transformer, 'the transformer');
      const methods = {
        cancel: algorithmOf(from, 'cancel'), flush: algorithmOf(from, 'flush'), start: algorithmOf(from, 'start'),
        transform: algorithmOf(from, 'transform'),
      };
      if (from.readableType !== undefined || from.writableType !== undefined) throw new RangeError('transforms have no types');
      this.#ends = newTransform(methods, transformer, strategyOf(writableStrategy, 1), strategyOf(readableStrategy, 0));
    }

    get readable() { return this.#ends.readable; }
    get writable() { return this.#ends.writable; }
  }
  interfaceTag(TransformStream, 'TransformStream');

  const one = { mark: 1, size: undefined };
  const none = { mark: 0, size: undefined };

  class TextEncoderStream {
    #ends;

    constructor() {
      // The first half of a character whose second half is in the next chunk.
      let high = '';
      this.#ends = newTransform({
        __proto__: null,
        transform(chunk, controller) {
          let text = high + `${chunk}`;
          high = '';
          const last = text.length === 0 ? 0 : StringPrototypeCharCodeAt(text, text.length - 1);
          if (last >= 0xd800 && last <= 0xdbff) {
            high = StringPrototypeSlice(text, -1);
            text = StringPrototypeSlice(text, 0, -1);
          }
          if (text !== '') enqueue(controller, encodeUtf8(StringPrototypeToWellFormed(text)));
        },
        flush(controller) {
          if (high !== '') enqueue(controller, encodeUtf8('\ufffd'));
        },
      }, undefined, one, none);
    }

    get encoding() {
      this.#ends;
      return 'utf-8';
    }
    get readable() { return this.#ends.readable; }
    get writable() { return this.#ends.writable; }
  }
  interfaceTag(TextEncoderStream, 'TextEncoderStream');

  class TextDecoderStream {
    #decoder;
    #ends;

    constructor(label = 'utf-8', options = undefined) {
      const { TextDecoder, decodeWith } = loadEncoding();
      const decoder = new TextDecoder(label, options);
      this.#decoder = decoder;
      this.#ends = newTransform({
        __proto__: null,
        transform(chunk, controller) {
          const text = decodeWith(decoder, bytesOf(chunk, 'a chunk'), { __proto__: null, stream: true });
          if (text !== '') enqueue(controller, text);
        },
        flush(controller) {
          const text = decodeWith(decoder);
          if (text !== '') enqueue(controller, text);
        },
      }, undefined, one, none);
    }

    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get readable() { return this.#ends.readable; }
    get writable() { return this.#ends.writable; }
  }
  interfaceTag(TextDecoderStream, 'TextDecoderStream');

  return { TransformStream, TransformStreamDefaultController, TextEncoderStream, TextDecoderStream };
});

lazyGlobals(loadTransform, [
  'TransformStream', 'TransformStreamDefaultController', 'TextEncoderStream', 'TextDecoderStream',
]);
