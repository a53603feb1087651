/** Text from elsewhere (names, server answers) cannot move the cursor, recolour or retitle a terminal. */
export const safe = (text: string): string =>
  text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, (char) =>
    char === '\n' || char === '\t' ? char : `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** The same for a cell or a field: one line. */
export const safeLine = (text: string): string => safe(text).replace(/[\t\n]+/g, ' ');
