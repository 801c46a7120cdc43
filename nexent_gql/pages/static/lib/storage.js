// What this browser remembers. A browser that refuses storage remembers nothing, and the page still works.

export const storage = {
  read(name) {
    try {
      return JSON.parse(localStorage.getItem(`nexent.${name}`));
    } catch {
      return null;
    }
  },
  write(name, value) {
    try {
      if (value === null) localStorage.removeItem(`nexent.${name}`);
      else localStorage.setItem(`nexent.${name}`, JSON.stringify(value));
    } catch {
      // Storage is full or forbidden.
    }
  },
};
