// Event, EventTarget, CustomEvent, ErrorEvent, PromiseRejectionEvent, AbortController and AbortSignal
// (https://dom.spec.whatwg.org/#events, #aborting-ongoing-activities). There is no tree here: a target is its own path.

const loadEvents = once(() => {
  let stateOf;

  class Event {
    #state;

    constructor(type, init) {
      needArguments(arguments.length, 1, 'Event');
      const options = toDictionary(init, 'the options of an event');
      this.#state = {
        __proto__: null,
        type: `${type}`,
        bubbles: !!options.bubbles,
        cancelable: !!options.cancelable,
        composed: !!options.composed,
        canceled: false,
        passive: false,
        dispatching: false,
        stop: false,
        stopNow: false,
        target: null,
        currentTarget: null,
        isTrusted: false,
        timeStamp: native(OP_NOW),
      };
    }

    get type() { return this.#state.type; }
    get target() { return this.#state.target; }
    get srcElement() { return this.#state.target; }
    get currentTarget() { return this.#state.currentTarget; }
    get eventPhase() { return this.#state.dispatching ? 2 : 0; }
    get bubbles() { return this.#state.bubbles; }
    get cancelable() { return this.#state.cancelable; }
    get composed() { return this.#state.composed; }
    get defaultPrevented() { return this.#state.canceled; }
    get returnValue() { return !this.#state.canceled; }
    set returnValue(value) { if (!value) this.#cancel(); }
    get cancelBubble() { return this.#state.stop; }
    set cancelBubble(value) { if (value) this.#state.stop = true; }
    get isTrusted() { return this.#state.isTrusted; }
    get timeStamp() { return this.#state.timeStamp; }

    composedPath() { return this.#state.currentTarget === null ? [] : [this.#state.currentTarget]; }
    stopPropagation() { this.#state.stop = true; }
    stopImmediatePropagation() { this.#state.stop = this.#state.stopNow = true; }
    preventDefault() { this.#cancel(); }

    #cancel() {
      if (this.#state.cancelable && !this.#state.passive) this.#state.canceled = true;
    }

    initEvent(type, bubbles = false, cancelable = false) {
      const state = this.#state;
      if (state.dispatching) return;
      state.type = `${type}`;
      state.bubbles = !!bubbles;
      state.cancelable = !!cancelable;
      state.canceled = state.stop = state.stopNow = false;
      state.target = null;
    }

    static {
      stateOf = (event) => event.#state;
    }
  }
  const phases = ['NONE', 'CAPTURING_PHASE', 'AT_TARGET', 'BUBBLING_PHASE'];
  for (let i = 0; i < phases.length; i++) {
    const property = { __proto__: null, enumerable: true, value: i };
    ObjectDefineProperty(Event, phases[i], property);
    ObjectDefineProperty(Event.prototype, phases[i], property);
  }
  interfaceTag(Event, 'Event');

  class CustomEvent extends Event {
    #detail;

    constructor(type, init) {
      super(type, init);
      const detail = toDictionary(init, 'the options of an event').detail;
      this.#detail = detail === undefined ? null : detail;
    }

    get detail() { return this.#detail; }
  }
  interfaceTag(CustomEvent, 'CustomEvent');

  class ErrorEvent extends Event {
    #init;

    constructor(type, init) {
      super(type, init);
      const options = toDictionary(init, 'the options of an event');
      this.#init = {
        message: options.message === undefined ? '' : `${options.message}`,
        filename: options.filename === undefined ? '' : toUSVString(options.filename),
        lineno: options.lineno === undefined ? 0 : options.lineno >>> 0,
        colno: options.colno === undefined ? 0 : options.colno >>> 0,
        error: options.error,
      };
    }

    get message() { return this.#init.message; }
    get filename() { return this.#init.filename; }
    get lineno() { return this.#init.lineno; }
    get colno() { return this.#init.colno; }
    get error() { return this.#init.error; }
  }
  interfaceTag(ErrorEvent, 'ErrorEvent');

  class PromiseRejectionEvent extends Event {
    #init;

    constructor(type, init) {
      super(type, init);
      needArguments(arguments.length, 2, 'PromiseRejectionEvent');
      if (!isObject(init) || !isObject(init.promise)) throw new TypeError('PromiseRejectionEvent needs a promise');
      this.#init = { promise: init.promise, reason: init.reason };
    }

    get promise() { return this.#init.promise; }
    get reason() { return this.#init.reason; }
  }
  interfaceTag(PromiseRejectionEvent, 'PromiseRejectionEvent');

  let dispatch;
  let listenersOf;

  class EventTarget {
    // Listeners in order of registration: {type, callback, capture, once, passive, removed}. Made at the first one.
    #listeners = undefined;

    addEventListener(type, callback, options) {
      const listeners = this.#listeners;
      needArguments(arguments.length, 2, 'addEventListener');
      const eventType = `${type}`;
      const hasOptions = isObject(options);
      const capture = hasOptions ? !!options.capture : !!options;
      const signal = hasOptions ? options.signal : undefined;
      const isOnce = hasOptions && !!options.once;
      const passive = hasOptions && !!options.passive;
      if (signal !== undefined && !isAbortSignal(signal)) throw new TypeError('the signal must be an AbortSignal');
      if (callback === undefined || callback === null) return;
      if (!isObject(callback)) throw new TypeError('the listener must be a function or an object');
      if (signal !== undefined && isAborted(signal)) return;
      if (listeners !== undefined && find(listeners, eventType, callback, capture) >= 0) return;
      // Listeners are replaced, not changed, so that a dispatch under way goes on over the list that it began with.
      const listener = { type: eventType, callback, capture, once: isOnce, passive, removed: false };
      this.#listeners = listeners === undefined ? [listener] : ArrayPrototypeConcat(listeners, [listener]);
      if (signal !== undefined) onAbort(signal, () => this.#remove(listener));
    }

    removeEventListener(type, callback, options) {
      const listeners = this.#listeners;
      needArguments(arguments.length, 2, 'removeEventListener');
      const capture = isObject(options) ? !!options.capture : !!options;
      if (listeners === undefined) return;
      const at = find(listeners, `${type}`, callback, capture);
      if (at >= 0) this.#remove(listeners[at]);
    }

    dispatchEvent(event) {
      this.#listeners;
      needArguments(arguments.length, 1, 'dispatchEvent');
      if (!(isObject(event) && isEvent(event))) throw new TypeError('dispatchEvent takes an Event');
      if (stateOf(event).dispatching) throw domException('the event is being dispatched already', 'InvalidStateError');
      stateOf(event).isTrusted = false;
      return dispatch(this, event);
    }

    #remove(listener) {
      listener.removed = true;
      this.#listeners = ArrayPrototypeFilter(this.#listeners, (other) => other !== listener);
    }

    static {
      listenersOf = (target) => target.#listeners;
      dispatch = (target, event) => {
        const state = stateOf(event);
        state.dispatching = true;
        state.target = state.currentTarget = target;
        const listeners = target.#listeners;
        // At the target, capturing listeners run before the others.
        for (let capture = 1; listeners !== undefined && capture >= 0 && !state.stop; capture--) {
          for (let i = 0; i < listeners.length && !state.stopNow; i++) {
            const listener = listeners[i];
            if (listener.removed || listener.type !== state.type || listener.capture !== (capture === 1)) continue;
            if (listener.once) target.#remove(listener);
            state.passive = listener.passive;
            try {
              const callback = listener.callback;
              if (typeof callback === 'function') {
                ReflectApply(callback, target, [event]);
              } else {
                const handle = callback.handleEvent;
                if (typeof handle !== 'function') throw new TypeError('the listener has no handleEvent function');
                ReflectApply(handle, callback, [event]);
              }
            } catch (error) {
              reportUncaught(error);
            }
            state.passive = false;
          }
        }
        state.dispatching = state.stop = state.stopNow = false;
        state.currentTarget = null;
        return !state.canceled;
      };
    }
  }
  interfaceTag(EventTarget, 'EventTarget');
  const { addEventListener } = EventTarget.prototype;

  function find(listeners, type, callback, capture) {
    for (let i = 0; i < listeners.length; i++) {
      const one = listeners[i];
      if (one.type === type && one.callback === callback && one.capture === capture) return i;
    }
    return -1;
  }

  function isEvent(value) {
    try {
      return stateOf(value) !== undefined;
    } catch {
      return false;
    }
  }

  /** Adds an `on<type>` attribute: a listener that keeps its place when its function is replaced. */
  function eventHandler(prototype, type) {
    const handlers = new WeakMap();
    ObjectDefineProperty(prototype, `on${type}`, {
      __proto__: null,
      configurable: true,
      enumerable: true,
      get() {
        listenersOf(this);
        const slot = WeakMapPrototypeGet(handlers, this);
        return slot === undefined ? null : slot.current;
      },
      set(value) {
        listenersOf(this);
        let slot = WeakMapPrototypeGet(handlers, this);
        if (slot === undefined) {
          if (!isObject(value)) return;
          slot = { current: value };
          WeakMapPrototypeSet(handlers, this, slot);
          ReflectApply(addEventListener, this, [type, (event) => {
            if (typeof slot.current !== 'function') return;
            if (ReflectApply(slot.current, this, [event]) === false) stateOf(event).canceled = true;
          }]);
        } else {
          slot.current = isObject(value) ? value : null;
        }
      },
    });
  }

  /** Dispatches an event that the system made: it is trusted. */
  function fire(target, event) {
    stateOf(event).isTrusted = true;
    return dispatch(target, event);
  }

  return { Event, CustomEvent, ErrorEvent, PromiseRejectionEvent, EventTarget, eventHandler, fire };
});

let isAbortSignal = isNone;
let isAborted;
let reasonOf;
// Runs `steps` when the signal aborts; the signal must not be aborted yet. Gives a function that forgets the steps.
let onAbort;

const loadAbort = once(() => {
  const { Event, EventTarget, eventHandler, fire } = loadEvents();
  const key = {};
  let make;
  let abort;

  class AbortSignal extends EventTarget {
    #reason = undefined;
    #aborted = false;
    #steps = undefined;
    // For signals made by `any`: the signals that they follow, which are never made by `any` themselves.
    #sources = undefined;
    // The signals made by `any` that follow this one. Held strongly: they live as long as the signal that they follow.
    #dependents = undefined;

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
      super();
    }

    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }

    static abort(reason = domException('This operation was aborted', 'AbortError')) {
      const signal = make();
      signal.#aborted = true;
      signal.#reason = reason;
      return signal;
    }

    static timeout(milliseconds) {
      needArguments(arguments.length, 1, 'AbortSignal.timeout');
      const delay = +milliseconds;
      if (!(delay >= 0 && delay <= 9007199254740991)) throw new TypeError('the time must be a number of milliseconds');
      const signal = make();
      const setTimer = runtimeSetTimeout === undefined ? globalThis.setTimeout : runtimeSetTimeout;
      setTimer(() => abort(signal, domException('The operation timed out', 'TimeoutError')), MathTrunc(delay));
      return signal;
    }

    static any(signals) {
      needArguments(arguments.length, 1, 'AbortSignal.any');
      const list = sequenceOf(signals, 'the signals');
      for (let i = 0; i < list.length; i++) {
        if (!isAbortSignal(list[i])) throw new TypeError('AbortSignal.any takes AbortSignals');
      }
      const result = make();
      const sources = [];
      for (let i = 0; i < list.length; i++) {
        if (list[i].#aborted) {
          result.#aborted = true;
          result.#reason = list[i].#reason;
          return result;
        }
        const own = list[i].#sources;
        for (let k = 0; k < (own === undefined ? 1 : own.length); k++) {
          const source = own === undefined ? list[i] : own[k];
          if (!ArrayPrototypeIncludes(sources, source)) ArrayPrototypePush(sources, source);
        }
      }
      result.#sources = sources;
      for (let i = 0; i < sources.length; i++) {
        if (sources[i].#dependents === undefined) sources[i].#dependents = [];
        ArrayPrototypePush(sources[i].#dependents, result);
      }
      return result;
    }

    static {
      isAbortSignal = (value) => isObject(value) && #aborted in value;
      isAborted = (signal) => signal.#aborted;
      reasonOf = (signal) => signal.#reason;
      make = () => new AbortSignal(key);
      const run = (signal) => {
        const steps = signal.#steps;
        signal.#steps = undefined;
        for (let i = 0; steps !== undefined && i < steps.length; i++) steps[i]();
        fire(signal, new Event('abort'));
      };
      abort = (signal, reason) => {
        if (signal.#aborted) return;
        signal.#aborted = true;
        signal.#reason = reason === undefined ? domException('This operation was aborted', 'AbortError') : reason;
        // All of them are aborted before any listener runs, so that none sees a half of it.
        const following = [];
        const dependents = signal.#dependents;
        signal.#dependents = undefined;
        for (let i = 0; dependents !== undefined && i < dependents.length; i++) {
          if (dependents[i].#aborted) continue;
          dependents[i].#aborted = true;
          dependents[i].#reason = signal.#reason;
          ArrayPrototypePush(following, dependents[i]);
        }
        run(signal);
        for (let i = 0; i < following.length; i++) run(following[i]);
      };
      onAbort = (signal, run) => {
        if (signal.#steps === undefined) signal.#steps = [];
        ArrayPrototypePush(signal.#steps, run);
        return () => {
          if (signal.#steps !== undefined) signal.#steps = ArrayPrototypeFilter(signal.#steps, (other) => other !== run);
        };
      };
    }
  }
  interfaceTag(AbortSignal, 'AbortSignal');
  eventHandler(AbortSignal.prototype, 'abort');

  class AbortController {
    #signal = make();

    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
  }
  interfaceTag(AbortController, 'AbortController');

  return { AbortSignal, AbortController, make, abort };
});

lazyGlobals(loadEvents, ['Event', 'CustomEvent', 'ErrorEvent', 'PromiseRejectionEvent', 'EventTarget']);
lazyGlobals(loadAbort, ['AbortSignal', 'AbortController']);
