internal import FogCore
internal import FogJobs
internal import FogStore

/// How tasks move between states: the one place that touches a job's counts.
extension CoordinatorCore {
    /// Moves a task that has a row; `attempt` is what holds its token afterwards.
    mutating func move(_ number: UInt32, of job: inout ActiveJob, to state: TaskState, at now: Moment) {
        guard var task = job.tasks[number] else { return }
        let from = task.record.state
        precondition(!from.isFinal, "task \(task.record.id) is final: \(from) -> \(state)")
        if from == state { return }
        task.record.state = state
        if state != .backoff { task.record.notBefore = nil }
        if state != .held { task.record.heldReason = nil }
        job.record.progress.steps[task.step].counts.move(from: from, to: state)
        if from == .backoff { job.steps[task.step].backoff[number] = nil }
        switch state {
        case .ready: job.steps[task.step].readyAgain.append(number)
        case .backoff: job.steps[task.step].backoff[number] = task.record.notBefore ?? now.wall
        default: break
        }
        if state.isFinal {
            if task.record.trail != nil {
                releaseHeld(of: number, in: &job, as: state == .cancelled ? .cancelled : .superseded, at: now)
                task.record.trail = nil
            }
            task.record.finishedAt = now.wall
            job.tasks[number] = nil
        } else {
            job.tasks[number] = task
        }
        save(task.record)
        if state == .ready { placementWanted = true }
    }

    /// After a task became final: opens what waited for its step, skips what can never run, ends the job.
    mutating func afterFinal(_ job: inout ActiveJob, step: Int, at now: Moment) {
        let progress = job.record.progress.steps[step]
        if let limit = job.steps[step].spec.maxFailures, progress.counts[.failed] >= limit,
            job.record.progress.cancelReason == nil, !progress.counts.isDone
        {
            cancelAll(
                &job, reason: "max_failures: \(progress.counts[.failed]) tasks of \(label(progress)) failed", at: now)
            return
        }
        if progress.counts.isDone { release(after: step, of: &job, at: now) }
        finishIfDone(&job, at: now)
    }

    private func label(_ step: StepProgress) -> String { step.name.isEmpty ? "the job" : "step \(step.name)" }

    /// A step is done: steps that need it become ready, or are skipped when it did not wholly succeed.
    private mutating func release(after step: Int, of job: inout ActiveJob, at now: Moment) {
        let name = job.steps[step].spec.name
        for index in job.steps.indices where job.steps[index].spec.needs.contains(name) {
            let needs = job.steps[index].spec.needs
            let states = needs.compactMap { need in job.record.progress.steps.first { $0.name == need }?.counts }
            guard job.record.progress.steps[index].untouchedState == .blocked else { continue }
            if states.contains(where: { $0.isDone && $0[.succeeded] < $0.total }) {
                job.record.progress.steps[index].moveUntouched(to: .skipped)
                note(
                    "step_skipped", at: now, job: job.record.id,
                    detail: ["step": job.steps[index].spec.name, "because": name])
                release(after: index, of: &job, at: now)
            } else if states.allSatisfy({ $0.isDone }) {
                job.record.progress.steps[index].moveUntouched(to: .ready)
                note("step_ready", at: now, job: job.record.id, detail: ["step": job.steps[index].spec.name])
                placementWanted = true
            }
        }
        change.progress[job.record.id] = job.record.progress
        hasChange = true
    }

    /// Closes the escrow of a job whose tasks are all final; ``withJob(_:_:)`` lets go of it then.
    mutating func finishIfDone(_ job: inout ActiveJob, at now: Moment) {
        change.progress[job.record.id] = job.record.progress
        hasChange = true
        let counts = job.record.progress.counts
        guard counts.isDone, job.openAttempts == 0, !job.record.progress.settled else { return }
        closeEscrow(of: &job, at: now)
        job.record.progress.finishedAt = now.wall
        job.record.progress.settled = true
        job.record.progress.held = nil
        change.progress[job.record.id] = job.record.progress
        note(
            "job_\(job.record.progress.state.rawValue)", at: now, job: job.record.id,
            detail: ["succeeded": String(counts[.succeeded]), "failed": String(counts[.failed])])
    }

    /// Ends everything of a job that is not final. What is out at a worker ends when the worker says so or is lost.
    mutating func cancelAll(_ job: inout ActiveJob, reason: String, at now: Moment) {
        job.record.progress.cancelReason = reason
        note("job_cancel_requested", at: now, job: job.record.id, detail: ["reason": reason])
        for number in job.tasks.keys.sorted() {
            guard let task = job.tasks[number] else { continue }
            if var attempt = task.attempt {
                if attempt.isOrphan {
                    end(&attempt, of: &job, as: .cancelled, detail: reason, at: now)
                    job.tasks[number]?.attempt = nil
                    move(number, of: &job, to: .cancelled, at: now)
                } else {
                    job.tasks[number]?.attempt?.cancelWanted = true
                    if let node = job.tasks[number]?.attempt?.record.node { orderedNodes.insert(node) }
                }
            } else {
                move(number, of: &job, to: .cancelled, at: now)
            }
        }
        for index in job.record.progress.steps.indices where !job.record.progress.steps[index].untouchedState.isFinal {
            job.record.progress.steps[index].moveUntouched(to: .cancelled)
        }
        finishIfDone(&job, at: now)
    }
}
