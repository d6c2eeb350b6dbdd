import { Composer, Lexer, Parser } from 'yaml';
import type { CST, Document } from 'yaml';

import { MAX_DEPTH, MAX_YAML_BYTES } from './limits.ts';
import { ApiStatusError, badRequest } from './api-status-error.ts';

/** A field, its colon and its value are levels of their own to the parser. */
const LEVELS = 3;
const MAX_ALIASES = 20;

/**
 * Reads a body that may be YAML. Most are JSON, which is YAML too, and is read as that.
 *
 * The library composes values by calling itself for what is inside: nested deep enough, its regular expressions find no stack to be
 * compiled on, and Node ends the process. So the depth is looked at while the text is taken apart, which needs no stack. That keys
 * are unique is not looked at, since the library compares each with all others.
 *
 * @throws ApiStatusError 400, 413
 */
export function readYaml(text: string): unknown {
  const json = asJson(text);
  if (json) return json.value;
  if (text.length > MAX_YAML_BYTES)
    throw new ApiStatusError(
      413,
      'RequestEntityTooLarge',
      `a body in YAML may have at most ${MAX_YAML_BYTES} bytes; send it as JSON`,
    );
  const composer = new Composer({ uniqueKeys: false, stringKeys: true });
  const [document, ...more] = composer.compose(tokensOf(text), true, text.length);
  if (!document || more.length > 0) throw badRequest('the body is not one YAML document');
  return valueOf(document);
}

function asJson(text: string): { readonly value: unknown } | undefined {
  if (!/^\s*[[{]/.test(text.slice(0, 100))) return undefined;
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function tokensOf(text: string): readonly CST.Token[] {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme));
    if (parser.stack.length > MAX_DEPTH * LEVELS)
      throw badRequest(`the body is nested deeper than ${MAX_DEPTH} levels`);
  }
  return [...tokens, ...parser.end()];
}

function valueOf(document: Document.Parsed): unknown {
  const [fault] = document.errors;
  if (fault) throw badRequest(`the body cannot be read: ${fault.message.slice(0, 200)}`);
  return document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown;
}
