/** Copying a text by a button: where the browser refuses (a page without HTTPS), the text is marked for Ctrl-C. */

/** @returns whether it is in the clipboard; if not, the text of `shown` is selected. */
export async function copyText(text: string, shown: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // No clipboard outside a secure context, or not allowed here.
    getSelection()?.selectAllChildren(shown);
    return false;
  }
}
