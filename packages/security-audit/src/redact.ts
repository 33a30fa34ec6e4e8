/** What a secret looks like wherever it stands. Each pattern is bounded, so that a long text costs linear time. */
const TOKENS: [RegExp, string][] = [
  [
    /-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s]{0,8192}(?:-----END [A-Z ]{0,20}PRIVATE KEY-----)?/g,
    'private key',
  ],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g, 'AWS access key'],
  [/\bgh[pousr]_[A-Za-z0-9]{36,251}\b/g, 'GitHub token'],
  [/\bgithub_pat_[A-Za-z0-9_]{60,255}\b/g, 'GitHub token'],
  [/\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{24,200}\b/g, 'API key'],
  [/\bxox[abprs]-[A-Za-z0-9-]{20,200}\b/g, 'Slack token'],
  [/\b[sr]k_live_[A-Za-z0-9]{20,200}\b/g, 'Stripe key'],
  [/\beyJ[A-Za-z0-9_-]{15,2000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{20,1000}/g, 'JSON web token'],
];

export interface Redacted {
  value: unknown;
  /** The kinds of secret that were found, each once. */
  kinds: string[];
}

/** A copy of `value` (any JSON) in which every secret is replaced by `[removed: AWS access key]`. */
export function redact(value: unknown): Redacted {
  const kinds = new Set<string>();
  const copy = (part: unknown, depth: number): unknown => {
    if (typeof part === 'string') {
      return TOKENS.reduce(
        (text, [pattern, kind]) =>
          text.replace(pattern, () => {
            kinds.add(kind);
            return `[removed: ${kind}]`;
          }),
        part,
      );
    }
    if (part === null || typeof part !== 'object' || depth > 64) return part;
    if (Array.isArray(part)) return part.map((item) => copy(item, depth + 1));
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, copy(item, depth + 1)]));
  };
  return { value: copy(value, 0), kinds: [...kinds] };
}
