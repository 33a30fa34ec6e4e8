// WebAssembly's promises. V8 settles its own by tasks on its platform's queue, which nobody waits for in an isolate that
// is entered for one message at a time; so they are made here, of the constructors that compile at once.

/** Called at boot in isolates that have WebAssembly, before any plugin code. */
function settleWasmAtOnce(isShared) {
  const { Instance, Memory, Module } = WebAssembly;
  const { exports } = Module;

  const isModule = (value) => {
    try {
      exports(value);
      return true;
    } catch {
      return false;
    }
  };

  const methods = {
    async compile(bytes) {
      return new Module(bytes);
    },
    async instantiate(source, imports = undefined) {
      if (isModule(source)) return new Instance(source, imports);
      const module = new Module(source);
      return { module, instance: new Instance(module, imports) };
    },
  };
  if (!isShared) {
    // A module can make shared memory for itself, but nobody gets to see it: there is no thread to share it with, and a
    // counter in it would be a fine clock. Nor a buffer that changes its size.
    const bufferOf = getterOf(Memory.prototype, 'buffer');
    ObjectDefineProperty(Memory.prototype, 'buffer', {
      __proto__: null,
      get() {
        const buffer = bufferOf(this);
        if (native(OP_KIND, buffer) !== KIND_ARRAY_BUFFER) throw new TypeError('shared memory is not allowed in a plugin');
        return buffer;
      },
    });
    delete Memory.prototype.toFixedLengthBuffer;
    delete Memory.prototype.toResizableBuffer;
  }
  const names = ObjectKeys(methods);
  for (let i = 0; i < names.length; i++) {
    const value = methods[names[i]];
    ObjectDefineProperty(WebAssembly, names[i], { __proto__: null, value });
  }
}
