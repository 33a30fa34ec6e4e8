// The module that `@mimir/plugin` means inside Mimir, where it is built in, and in a plugin's own tests.

/**
 * A tool. Checks the definition at once, turns its schema into JSON Schema, and checks the arguments of each call by the
 * schema before `execute` sees them.
 */
export function tool(definition) {
  if (definition === null || typeof definition !== 'object') {
    throw new TypeError('tool() takes an object with name, description, schema and execute');
  }
  const { name, description, schema, execute, ...rest } = definition;
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw new TypeError(`${JSON.stringify(name)} is no tool name: use up to 64 letters, digits, _ and -, a letter first`);
  }
  if (typeof description !== 'string' || description.trim() === '') {
    throw new TypeError(`the tool ${name} needs a description: the model chooses by it`);
  }
  if (typeof execute !== 'function') {
    throw new TypeError(`the tool ${name} needs a function execute(args, ctx)`);
  }
  const jsonSchema = toJsonSchema(name, schema);
  const parse = parserOf(name, schema);
  return {
    ...rest,
    name,
    description,
    schema: jsonSchema,
    execute: parse === undefined ? execute : async (args, ctx) => execute(await parse(args), ctx),
  };
}

/** Gives the plugin back; for JavaScript, where it carries the type. */
export function definePlugin(plugin) {
  if (typeof plugin !== 'function') {
    throw new TypeError('definePlugin() takes the function that makes the plugin: (ctx) => ({ on: { … } })');
  }
  return plugin;
}

/**
 * JSON Schema of what goes into the tool. Takes JSON Schema itself, and whatever libraries offer (Zod 4, ArkType,
 * Valibot) by the Standard JSON Schema interface or a method of their own.
 */
function toJsonSchema(name, schema) {
  if (schema === undefined || schema === null) {
    return { type: 'object', properties: {} };
  }
  const standard = schema['~standard'];
  let json;
  try {
    if (typeof standard?.jsonSchema?.input === 'function') {
      json = standard.jsonSchema.input({ target: 'draft-2020-12' });
    } else if (typeof schema.toJSONSchema === 'function') {
      json = schema.toJSONSchema({ io: 'input' });
    } else if (typeof schema.toJsonSchema === 'function') {
      json = schema.toJsonSchema();
    } else if (standard === undefined && typeof schema === 'object') {
      json = schema;
    }
  } catch (error) {
    throw new TypeError(`the schema of the tool ${name} can't be written as JSON Schema: ${error.message}`, {
      cause: error,
    });
  }
  if (json === undefined) {
    throw new TypeError(
      `the schema of the tool ${name} can't be turned into JSON Schema: use Zod 4.2 or later, or write JSON Schema`,
    );
  }
  if (json.type !== 'object') {
    throw new TypeError(`the schema of the tool ${name} must describe an object`);
  }
  return json;
}

/** What checks arguments, if the schema is more than JSON Schema (which the agent checks before the call). */
function parserOf(name, schema) {
  const validate = schema?.['~standard']?.validate;
  if (typeof validate !== 'function') {
    return undefined;
  }
  return async (args) => {
    const result = await validate(args);
    if (result.issues === undefined) {
      return result.value;
    }
    const issues = result.issues.map((issue) => {
      const path = (issue.path ?? []).map((part) => (typeof part === 'object' ? part.key : part)).join('.');
      return path === '' ? issue.message : `${path}: ${issue.message}`;
    });
    throw new TypeError(`wrong arguments for ${name}: ${issues.join('; ')}`);
  };
}
