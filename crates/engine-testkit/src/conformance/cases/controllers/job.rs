//! Jobs and CronJobs.

use serde_json::{Value, json};

use super::{condition, controlled_by, count, ensure, fate, job, says, template};
use crate::conformance::{Failure, Lab, Outcome, cases::cases};

cases!("job":
    it_completes (needs_controllers),
    its_criteria_are_met_before_it_is_complete (needs_controllers),
    its_pods_are_labelled (needs_controllers),
    finished_pods_are_kept_and_free (needs_controllers),
    many_pods_run_a_few_at_a_time (needs_controllers),
    indexed_pods_know_their_index (needs_controllers),
    a_success_policy_ends_it_early (needs_controllers),
    failures_beyond_the_limit_fail_it (needs_controllers),
    a_failure_policy_fails_it_at_once (needs_controllers),
    indexes_fail_for_themselves (needs_controllers),
    one_that_takes_too_long_fails (needs_controllers),
    a_suspended_one_makes_no_pods (needs_controllers),
    a_resumed_one_runs (needs_controllers),
    suspending_deletes_its_pods (needs_controllers),
    one_with_a_time_to_live_goes (needs_controllers),
    pods_and_the_end_are_reported (needs_controllers),
    pods_beyond_the_parallelism_go (needs_controllers),
    a_failed_pod_is_made_again_after_a_while (needs_controllers),
    a_suspended_schedule_does_nothing (needs_controllers),
);

const BATCH: &str = "batch/v1";

async fn started(lab: &Lab, spec: Value) -> Result<(), Failure> {
    lab.start(BATCH, "jobs", job("work", spec)).await.map(drop)
}

async fn completed(lab: &Lab) -> Result<Value, Failure> {
    lab.until(BATCH, "jobs/work", "a Job that is complete", |j| condition(j, "Complete")["status"] == "True").await
}

async fn failed(lab: &Lab, reason: &str) -> Result<Value, Failure> {
    lab.until(BATCH, "jobs/work", "a Job that failed", |j| says(j, "Failed", "True", reason)).await
}

async fn pods(lab: &Lab) -> Result<Vec<Value>, Failure> {
    lab.all("v1", "pods", "job-name%3Dwork").await
}

async fn it_completes(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let work = completed(lab).await?;
    ensure(&work, says(&work, "Complete", "True", "CompletionsReached"), "its reason")?;
    let message = "Reached expected number of succeeded pods";
    ensure(&work, condition(&work, "Complete")["message"] == message, message)?;
    let status = &work["status"];
    ensure(&work, status["succeeded"] == 1 && status["ready"] == 0 && status["terminating"] == 0, "its counts")?;
    ensure(&work, status.get("active").is_none() && status.get("failed").is_none(), "no other counts")?;
    ensure(&work, status["startTime"].is_string() && status["completionTime"].is_string(), "its times")?;
    ensure(&work, status["uncountedTerminatedPods"] == json!({}), "no Pod that is not counted")
}

async fn its_criteria_are_met_before_it_is_complete(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let work = completed(lab).await?;
    let types: Vec<&Value> =
        work["status"]["conditions"].as_array().into_iter().flatten().map(|c| &c["type"]).collect();
    ensure(&work, types == ["SuccessCriteriaMet", "Complete"], "both conditions, in order")
}

async fn its_pods_are_labelled(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    let work = completed(lab).await?;
    let uid = &work["metadata"]["uid"];
    let labels = json!({
        "app": "work", "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "work",
        "controller-uid": uid, "job-name": "work",
    });
    let pod = pods(lab).await?.remove(0);
    ensure(&pod, pod["metadata"]["labels"] == labels, &labels.to_string())?;
    ensure(&pod, controlled_by(&pod, "Job", "work"), "the Job as its controller")?;
    ensure(&pod, pod["metadata"]["generateName"] == "work-", "a generated name")
}

async fn finished_pods_are_kept_and_free(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    completed(lab).await?;
    let all = pods(lab).await?;
    ensure(&json!(all), all.len() == 1, "one Pod")?;
    ensure(&all[0], all[0]["status"]["phase"] == "Succeeded", "one that succeeded")?;
    ensure(&all[0], all[0]["metadata"].get("finalizers").is_none(), "no finalizer")
}

async fn many_pods_run_a_few_at_a_time(lab: &Lab) -> Outcome {
    let mut watch = lab.watch(&lab.path(BATCH, "jobs")).await?;
    started(lab, json!({"completions": 4, "parallelism": 2})).await?;
    let work = completed(lab).await?;
    ensure(&work, count(&work, "succeeded") == 4, "four that succeeded")?;
    ensure(&work, pods(lab).await?.len() == 4, "four Pods")?;
    loop {
        let event = watch.event().await?;
        ensure(&event.object, count(&event.object, "active") <= 2, "no more than two at a time")?;
        if condition(&event.object, "Complete")["status"] == "True" {
            return Ok(());
        }
    }
}

async fn indexed_pods_know_their_index(lab: &Lab) -> Outcome {
    started(lab, json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed"})).await?;
    let work = completed(lab).await?;
    ensure(&work, work["status"]["completedIndexes"] == "0-2", "all indexes")?;
    let key = "batch.kubernetes.io/job-completion-index";
    let all = lab.all("v1", "pods", &format!("{}%3D1", key.replace('/', "%2F"))).await?;
    ensure(&json!(all), all.len() == 1, "one Pod of index 1")?;
    let pod = &all[0];
    ensure(pod, pod["metadata"]["annotations"][key] == "1", "the index as an annotation")?;
    ensure(pod, pod["spec"]["hostname"] == "work-1", "the index in its name in the network")?;
    ensure(pod, pod["metadata"]["generateName"] == "work-1-", "the index in its name")?;
    let env = &pod["spec"]["containers"][0]["env"][0];
    ensure(pod, env["name"] == "JOB_COMPLETION_INDEX", "the index in its environment")?;
    ensure(pod, env["valueFrom"]["fieldRef"]["fieldPath"] == format!("metadata.labels['{key}']"), "where it comes from")
}

async fn a_success_policy_ends_it_early(lab: &Lab) -> Outcome {
    let policy = json!({"rules": [{"succeededIndexes": "0"}]});
    started(lab, json!({"completions": 3, "parallelism": 1, "completionMode": "Indexed", "successPolicy": policy}))
        .await?;
    let work = completed(lab).await?;
    ensure(&work, says(&work, "Complete", "True", "SuccessPolicy"), "its reason")?;
    ensure(&work, condition(&work, "Complete")["message"] == "Matched rules at index 0", "its message")?;
    ensure(&work, work["status"]["completedIndexes"] == "0", "one index")
}

fn failing(extra: Value) -> Value {
    let mut spec = json!({"template": {"metadata": {"annotations": {
        super::FATE: "failing", "testkit.gitops-engine.dev/pod-delay": "100ms",
    }}}});
    json_patch::merge(&mut spec, &extra);
    spec
}

async fn failures_beyond_the_limit_fail_it(lab: &Lab) -> Outcome {
    started(lab, failing(json!({"backoffLimit": 0}))).await?;
    let work = failed(lab, "BackoffLimitExceeded").await?;
    let message = "Job has reached the specified backoff limit";
    ensure(&work, condition(&work, "Failed")["message"] == message, message)?;
    ensure(&work, says(&work, "FailureTarget", "True", "BackoffLimitExceeded"), "its target")?;
    ensure(&work, count(&work, "failed") == 1 && work["status"].get("completionTime").is_none(), "one that failed")
}

async fn a_failure_policy_fails_it_at_once(lab: &Lab) -> Outcome {
    let rule = json!({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}});
    started(lab, failing(json!({"podFailurePolicy": {"rules": [rule]}}))).await?;
    let work = failed(lab, "PodFailurePolicy").await?;
    let pod = pods(lab).await?.remove(0);
    let pod = format!("{}/{}", lab.namespace(), pod["metadata"]["name"].as_str().unwrap_or_default());
    let message = format!("Container main for pod {pod} failed with exit code 1 matching FailJob rule at index 0");
    ensure(&work, condition(&work, "Failed")["message"] == message, &message)
}

async fn indexes_fail_for_themselves(lab: &Lab) -> Outcome {
    let spec = json!({"completions": 2, "parallelism": 2, "completionMode": "Indexed", "backoffLimitPerIndex": 0});
    started(lab, failing(spec)).await?;
    let work = failed(lab, "FailedIndexes").await?;
    ensure(&work, work["status"]["failedIndexes"] == "0,1", "both indexes")?;
    ensure(&work, condition(&work, "Failed")["message"] == "Job has failed indexes", "its message")
}

async fn one_that_takes_too_long_fails(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["activeDeadlineSeconds"] = 1.into();
    started(lab, spec).await?;
    let work = failed(lab, "DeadlineExceeded").await?;
    let message = "Job was active longer than specified deadline";
    ensure(&work, condition(&work, "Failed")["message"] == message, message)?;
    let path = lab.path("v1", "pods?labelSelector=job-name%3Dwork");
    lab.eventually(&path, "no Pods", |r| r.items().is_empty()).await?;
    ensure(&work, count(&work, "failed") == 1, "one that failed")
}

async fn a_suspended_one_makes_no_pods(lab: &Lab) -> Outcome {
    started(lab, json!({"suspend": true})).await?;
    let work =
        lab.until(BATCH, "jobs/work", "the suspension", |j| says(j, "Suspended", "True", "JobSuspended")).await?;
    ensure(&work, work["status"].get("startTime").is_none(), "no start")?;
    ensure(&work, pods(lab).await?.is_empty(), "no Pods")
}

async fn a_resumed_one_runs(lab: &Lab) -> Outcome {
    started(lab, json!({"suspend": true})).await?;
    lab.until(BATCH, "jobs/work", "the suspension", |j| says(j, "Suspended", "True", "JobSuspended")).await?;
    lab.change(BATCH, "jobs/work", json!({"spec": {"suspend": false}})).await?;
    let work = completed(lab).await?;
    ensure(&work, says(&work, "Suspended", "False", "JobResumed"), "the end of the suspension")
}

async fn suspending_deletes_its_pods(lab: &Lab) -> Outcome {
    started(lab, fate("never-ready")).await?;
    lab.until(BATCH, "jobs/work", "a Pod", |j| count(j, "active") == 1).await?;
    lab.change(BATCH, "jobs/work", json!({"spec": {"suspend": true}})).await?;
    let path = lab.path("v1", "pods?labelSelector=job-name%3Dwork");
    lab.eventually(&path, "no Pods", |r| r.items().is_empty()).await?;
    let work = lab
        .until(BATCH, "jobs/work", "a Job at rest", |j| {
            says(j, "Suspended", "True", "JobSuspended") && j["status"]["terminating"] == 0 && count(j, "active") == 0
        })
        .await?;
    ensure(&work, count(&work, "failed") == 0, "no failure")
}

async fn one_with_a_time_to_live_goes(lab: &Lab) -> Outcome {
    started(lab, json!({"ttlSecondsAfterFinished": 1})).await?;
    lab.until_gone(BATCH, "jobs/work").await?;
    let path = lab.path("v1", "pods?labelSelector=job-name%3Dwork");
    lab.eventually(&path, "no Pods", |r| r.items().is_empty()).await.map(drop)
}

async fn pods_and_the_end_are_reported(lab: &Lab) -> Outcome {
    started(lab, json!({})).await?;
    completed(lab).await?;
    let event = lab.event("Job", "work", "SuccessfulCreate").await?;
    let pod = pods(lab).await?.remove(0);
    let message = format!("Created pod: {}", pod["metadata"]["name"].as_str().unwrap_or_default());
    ensure(&event, event["message"] == message, &message)?;
    let event = lab.event("Job", "work", "Completed").await?;
    ensure(&event, event["message"] == "Job completed" && event["source"]["component"] == "job-controller", "its end")
}

async fn pods_beyond_the_parallelism_go(lab: &Lab) -> Outcome {
    let mut spec = fate("never-ready");
    spec["parallelism"] = 3.into();
    started(lab, spec).await?;
    lab.until(BATCH, "jobs/work", "three Pods", |j| count(j, "active") == 3).await?;
    lab.change(BATCH, "jobs/work", json!({"spec": {"parallelism": 1}})).await?;
    lab.until(BATCH, "jobs/work", "one Pod", |j| count(j, "active") == 1).await?;
    let path = lab.path("v1", "pods?labelSelector=job-name%3Dwork");
    lab.eventually(&path, "one Pod", |r| r.items().len() == 1).await.map(drop)
}

async fn a_failed_pod_is_made_again_after_a_while(lab: &Lab) -> Outcome {
    started(lab, failing(json!({"backoffLimit": 1}))).await?;
    let work = failed(lab, "BackoffLimitExceeded").await?;
    ensure(&work, count(&work, "failed") == 2, "two that failed")?;
    let mut times: Vec<String> = pods(lab)
        .await?
        .iter()
        .map(|p| p["metadata"]["creationTimestamp"].as_str().unwrap_or_default().to_owned())
        .collect();
    times.sort();
    ensure(&json!(times), times.len() == 2 && times[0] != times[1], "a wait between them")
}

fn cron(schedule: Value) -> Value {
    let mut pod = template("tick", "example.com/app:1");
    pod["spec"]["restartPolicy"] = "Never".into();
    let mut object = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": pod}}},
    });
    json_patch::merge(&mut object["spec"], &schedule);
    object
}

async fn a_suspended_schedule_does_nothing(lab: &Lab) -> Outcome {
    let created = lab.start(BATCH, "cronjobs", cron(json!({"suspend": true}))).await?;
    let tick = lab.read(&lab.path(BATCH, "cronjobs/tick")).await?;
    ensure(tick.value(), tick.at("/status") == created.at("/status"), "no status")?;
    let jobs = lab.read(&lab.path(BATCH, "jobs")).await?;
    jobs.expect_names(&[]).map(drop)
}
