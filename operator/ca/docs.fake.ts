import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCS = join(import.meta.dirname, '../../docs/ca-providers.md');

/** The code blocks of one language in docs/ca-providers.md: what users are told to write is what tests run with. */
export function docsBlocks(language: string): readonly string[] {
  const text = readFileSync(DOCS, 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, block]) => block ?? '',
  );
}
