// queueMicrotask, performance, navigator, self, reportError: the small ones.

const loadMisc = once(() => {
  function queueMicrotask(callback) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask takes a function');
    PromisePrototypeThen(PromiseResolve(), () => {
      try {
        callback();
      } catch (error) {
        reportUncaught(error);
      }
    });
  }

  function reportError(error) {
    needArguments(arguments.length, 1, 'reportError');
    reportUncaught(error);
  }

  const key = {};

  class Performance {
    #brand;

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
    }

    // Milliseconds since `timeOrigin`, in steps of 0.1: finer ones help only those who measure the neighbours.
    now() {
      this.#brand;
      return native(OP_NOW);
    }

    get timeOrigin() {
      this.#brand;
      return native(OP_TIME_ORIGIN);
    }

    toJSON() {
      this.#brand;
      return { timeOrigin: native(OP_TIME_ORIGIN) };
    }
  }
  interfaceTag(Performance, 'Performance');

  class Navigator {
    #brand;

    constructor(secret) {
      if (secret !== key) throw new TypeError('Illegal constructor');
    }

    get userAgent() {
      this.#brand;
      return 'Mimir';
    }
  }
  interfaceTag(Navigator, 'Navigator');

  return {
    queueMicrotask, reportError, Performance, performance: new Performance(key), Navigator,
    navigator: new Navigator(key),
  };
});

dataProperty(globalThis, 'self', globalThis);
lazyGlobals(loadMisc, ['queueMicrotask', 'reportError', 'Performance', 'performance', 'Navigator', 'navigator']);
