// A plugin of 2 KB, as people write them: some tables, some checks, one handler.
const DANGEROUS = [
  { pattern: /\brm\s+-[a-z]*r[a-z]*f?\b.*\s\/(\s|$)/, why: 'removes the root of the file system' },
  { pattern: /\bmkfs(\.\w+)?\b/, why: 'formats a disk' },
  { pattern: /\bdd\b.*\bof=\/dev\//, why: 'writes to a device' },
  { pattern: /\bchmod\s+-R\s+777\b/, why: 'opens a folder to everyone' },
  { pattern: /\bcurl\b.*\|\s*(ba)?sh\b/, why: 'runs what the network sends' },
  { pattern: />\s*\/etc\//, why: 'changes the configuration of the system' },
];

const PROTECTED = ['.env', '.ssh/', 'id_rsa', '.aws/credentials', '.npmrc', '.netrc'];

const READ_ONLY = new Set(['read', 'list', 'search', 'glob']);

class Findings {
  #items = [];

  add(rule, why) {
    this.#items.push({ rule, why });
    return this;
  }

  get worst() {
    return this.#items[0];
  }

  get count() {
    return this.#items.length;
  }
}

function inspectCommand(command, findings) {
  for (const { pattern, why } of DANGEROUS) {
    if (pattern.test(command)) findings.add('command', why);
  }
}

function inspectPath(path, findings) {
  const normal = path.replaceAll('\\', '/');
  for (const name of PROTECTED) {
    if (normal.includes(name)) findings.add('path', `touches ${name}`);
  }
}

function inspect(tool, args) {
  const findings = new Findings();
  if (typeof args.command === 'string') inspectCommand(args.command, findings);
  if (typeof args.path === 'string') inspectPath(args.path, findings);
  if (Array.isArray(args.paths)) {
    for (const path of args.paths) inspectPath(String(path), findings);
  }
  return findings;
}

let seen = 0;

export default () => ({ on: { 'tool.execute.before': (event) => {
  seen += 1;
  if (READ_ONLY.has(event.tool)) return { allow: true };
  const findings = inspect(event.tool, event.args ?? {});
  if (findings.count > 0) {
    const { rule, why } = findings.worst;
    return { block: true, reason: `${event.tool} ${why} (${rule}, call ${event.callId}, number ${seen})` };
  }
  return { allow: true };
} } });
