import CFog
import Glibc

// The launcher. Started by the agent (or by `fog sandbox run`), never by hand:
//   fog-sandbox serve    plans as packets on descriptor 3, a task at a time, until the other end closes
//   fog-sandbox exec     a template and a launch on descriptor 3, the task's own exit code in the end

// The agent's socket. Everything else that leaked in is closed before the first plan is read.
let agentSocket: Int32 = 3
_ = fog_close_from(UInt32(agentSocket) + 1)

func complain(_ words: String) {
    words.withCString { _ = write(2, $0, strlen($0)) }
}

switch CommandLine.arguments.dropFirst().first {
case "serve":
    // The end of the agent's thread that started this process is its own end; the socket's end is the same news.
    _ = fog_die_with_parent()
    var server = Server(socket: agentSocket)
    exit(server.run())
case "exec":
    exit(runOnce(socket: agentSocket))
default:
    complain("usage: fog-sandbox serve|exec, with a plan on descriptor 3; use `fog sandbox run` instead\n")
    exit(64)
}
