package desktop

// StartApp has the person's own session manager start the app, whose program is exe, with its
// usual folders. The app then belongs to the session: it outlives whoever asked, and has
// the session's environment. An app that runs already is no error.
//
// An error says why nothing was started. On Windows there is no such manager.
func StartApp(exe string) error { return startApp(exe) }
