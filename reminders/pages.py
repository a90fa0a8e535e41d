"""The page that a mail links to: the task, and what became of each of its reminders."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from reminders.channels import EMAIL
from reminders.channels.mime import describe_due
from reminders.models import Reminder
from taskapp.models import Task
from taskapp.services import complete_task
from work import breaker

REMINDERS_SHOWN = 50


@login_required
@require_http_methods(["GET", "POST"])
def task_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the task; POST marks it as done."""
    task = get_object_or_404(Task.objects.owned_by(request.user).present(), pk=pk)  # type: ignore[arg-type]
    if request.method == "POST":
        complete_task(task)
        return redirect("task-page", pk=pk)
    reminders = Reminder.objects.filter(task=task).prefetch_related("deliveries")[:REMINDERS_SHOWN]
    due = describe_due(task.due_at, zone=task.timezone, all_day=task.all_day) if task.due_at else "no due date"
    parked = breaker.why_open(EMAIL)
    return render(request, "reminders/task.html", {"task": task, "due": due, "reminders": reminders, "parked": parked})
