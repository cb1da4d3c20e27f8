import CFog
import Glibc

// The launcher.
//   fog-sandbox serve    started by the agent (or by `fog sandbox run`), never by hand: plans as packets on descriptor 3,
//                        a task at a time, until the other end closes
//   fog-sandbox exec     a template and a launch on descriptor 3, the task's own exit code in the end
//   fog-sandbox run      `fog sandbox run` through the resident `fog sandbox serve`, which is soon done

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
case "run":
    exit(Front.run(Array(CommandLine.arguments.dropFirst(2))))
default:
    complain("usage: fog-sandbox run [options] --work FOLDER -- COMMAND; the options are those of `fog sandbox run`\n")
    exit(64)
}
