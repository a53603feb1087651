/** The same document as JSON, as YAML. The library is imported on first use. */
export async function yamlText(data: unknown): Promise<string> {
  const { stringify } = await import('yaml');
  return stringify(data ?? null, { lineWidth: 0, aliasDuplicateObjects: false });
}
