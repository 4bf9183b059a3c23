package main

import (
	"context"
	"flag"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

// fillNamespaces times the objects of one namespace are 16,000 objects, 6,000 of them pods, with what controllers add.
const fillNamespaces = 60

// fill loads a cluster of a size worth measuring, over 16 connections at once.
func fill(args []string) error {
	flags := flag.NewFlagSet("fill", flag.ContinueOnError)
	kubeconfig := flags.String("kubeconfig", "", "credentials")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	ctx := context.Background()
	failures := make([]error, fillNamespaces)
	workqueue.ParallelizeUntil(ctx, 16, fillNamespaces, func(i int) {
		failures[i] = fillNamespace(ctx, client, fmt.Sprintf("load-%02d", i))
	})
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func fillNamespace(ctx context.Context, client kubernetes.Interface, namespace string) error {
	steps := []struct {
		count  int
		create func(meta metav1.ObjectMeta) error
	}{
		{1, func(meta metav1.ObjectMeta) error {
			meta.Name, meta.Namespace = namespace, ""
			_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
			return err
		}},
		{13, func(meta metav1.ObjectMeta) error {
			_, err := client.CoreV1().ServiceAccounts(namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
			return err
		}},
		{100, func(meta metav1.ObjectMeta) error {
			spec := loadPod(meta.Name)
			spec.SchedulerName = "none"
			_, err := client.CoreV1().Pods(namespace).Create(ctx, &corev1.Pod{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
			return err
		}},
		{20, func(meta metav1.ObjectMeta) error {
			labels := map[string]string{"app": meta.Name}
			template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: loadPod(meta.Name)}
			spec := appsv1.DeploymentSpec{Replicas: ptr.To[int32](0), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template}
			_, err := client.AppsV1().Deployments(namespace).Create(ctx, &appsv1.Deployment{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
			return err
		}},
		{17, func(meta metav1.ObjectMeta) error {
			pod := loadPod(meta.Name)
			pod.RestartPolicy = corev1.RestartPolicyNever
			job := batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod}}}
			spec := batchv1.CronJobSpec{Schedule: "0 3 * * *", Suspend: ptr.To(true), JobTemplate: job}
			_, err := client.BatchV1().CronJobs(namespace).Create(ctx, &batchv1.CronJob{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
			return err
		}},
		{25, func(meta metav1.ObjectMeta) error {
			spec := corev1.ServiceSpec{Selector: map[string]string{"app": meta.Name}, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}
			_, err := client.CoreV1().Services(namespace).Create(ctx, &corev1.Service{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
			return err
		}},
		{25, func(meta metav1.ObjectMeta) error {
			data := map[string]string{"settings": "mode=" + meta.Name, "log.level": "info"}
			_, err := client.CoreV1().ConfigMaps(namespace).Create(ctx, &corev1.ConfigMap{ObjectMeta: meta, Data: data}, metav1.CreateOptions{})
			return err
		}},
		{17, func(meta metav1.ObjectMeta) error {
			rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "configmaps"}, Verbs: []string{"get", "list"}}}
			_, err := client.RbacV1().Roles(namespace).Create(ctx, &rbacv1.Role{ObjectMeta: meta, Rules: rules}, metav1.CreateOptions{})
			return err
		}},
		{17, func(meta metav1.ObjectMeta) error {
			binding := &rbacv1.RoleBinding{
				ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
				Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: meta.Name, Namespace: namespace}},
			}
			_, err := client.RbacV1().RoleBindings(namespace).Create(ctx, binding, metav1.CreateOptions{})
			return err
		}},
		{10, func(meta metav1.ObjectMeta) error {
			spec := networkingv1.NetworkPolicySpec{PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": meta.Name}}}
			_, err := client.NetworkingV1().NetworkPolicies(namespace).Create(ctx, &networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: spec}, metav1.CreateOptions{})
			return err
		}},
	}
	for _, step := range steps {
		for i := range step.count {
			name := fmt.Sprintf("item-%02d", i)
			if err := step.create(metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: map[string]string{"app": name}}); err != nil {
				return fmt.Errorf("%s in %s: %w", name, namespace, err)
			}
		}
	}
	return nil
}

func loadPod(name string) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app", Image: "registry.example.com/load/" + name + ":1.4.2", Args: []string{"--listen=:8080", "--verbose"},
		Env:             []corev1.EnvVar{{Name: "MODE", Value: name}, {Name: "DB_PASSWORD", Value: "example-only-" + name}},
		Ports:           []corev1.ContainerPort{{ContainerPort: 8080, Name: "http"}},
		SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: ptr.To(len(name)%2 == 0)},
	}}}
}
