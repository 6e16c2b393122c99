/* Which state of the shelves the page shows: forms and tables look at their lists when it changes. */
export const shelf = {
  /** The mark, or null as long as none was heard of; it stands on the page's root element too. */
  get mark() {
    return document.documentElement.dataset.shelfMark ?? null;
  },
  /** @param {string | null} mark */
  set mark(mark) {
    document.documentElement.dataset.shelfMark = String(mark);
  },
};
